/**
 * Everything that takes a runner waits for room in it, where its queue is bounded.
 *
 * @module
 */
import { assertEquals, assertLessOrEqual } from "@std/assert";
import { walkAsync } from "../../../file/mod.ts";
import { asyncBatchRequests, AsyncHTTPClient } from "../../../http/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { AsyncStream } from "../../../streams/mod.ts";
import { testWith } from "../../support/permissions.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

/** Fills the runner, so that whoever comes has to wait, and lets it go on by and by. */
function fill(runner: AsyncRunner): Promise<void[]> {
  return Promise.all(
    [10, 5].map((duration) =>
      runner.submit(() =>
        new Promise<void>((resolve) => setTimeout(resolve, duration))
      )
    ),
  );
}

const LIMITS = { maxWorkers: 1, maxQueue: 1 };

Deno.test("AsyncHTTPClient and asyncBatchRequests() wait for room in a full runner", async () => {
  await using runner = new AsyncRunner(LIMITS);
  await using client = new AsyncHTTPClient({
    runner,
    fetch: (url) => Promise.resolve(new Response(url)),
  });
  const filling = fill(runner);
  assertEquals(runner.isFull, true);
  const texts = await Promise.all(
    [1, 2, 3].map((n) => client.get(`http://h/${n}`).text()),
  );
  assertEquals(texts, ["http://h/1", "http://h/2", "http://h/3"]);
  await filling;
  const again = fill(runner);
  await using plain = new AsyncHTTPClient({
    fetch: (url) => Promise.resolve(new Response(url)),
  });
  const batch = await asyncBatchRequests(["http://h/1", "http://h/2"], {
    client: plain,
    runner,
    map: (response) => response.text(),
  });
  assertEquals(batch, ["http://h/1", "http://h/2"]);
  await again;
});

Deno.test("AsyncStream.map() waits for room in a full runner, and reads no further meanwhile", async () => {
  await using runner = new AsyncRunner(LIMITS);
  const filling = fill(runner);
  let read = 0;
  let most = 0;
  const source = function* () {
    while (read < 20) yield read++;
  };
  let done = 0;
  const values = await AsyncStream.from(source).map((n) => {
    most = Math.max(most, read - done++);
    return n;
  }, { concurrency: 4, runner }).collect();
  assertEquals(values.length, 20);
  assertLessOrEqual(most, 6);
  await filling;
});

testWith(
  ["read", "write"],
  "walkAsync() waits for room in a full runner",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const name of ["a/1", "b/2", "c/3"]) await directory.write(name);
    await using runner = new AsyncRunner(LIMITS);
    for (const sort of [false, true]) {
      const filling = fill(runner);
      assertEquals(
        await walkAsync(directory.root, { runner, sort }).count(),
        3,
      );
      await filling;
    }
  },
);
