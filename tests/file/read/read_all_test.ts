import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { asyncHashFile, readAll, walkAsync } from "../../../file/mod.ts";
import { AsyncRunner, TaskPriority } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const needed: Deno.PermissionName[] = ["read", "write"];

testWith(
  needed,
  "readAll() reads in the order of the paths, from arrays and from a walk",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const paths: string[] = [];
    for (let i = 0; i < 50; i++) {
      paths.push(
        await directory.write(`f${i}`, `${i}`),
      );
    }
    const results = await collect(readAll(paths, { concurrency: 7 }));
    assertEquals(results, paths.map((path, i) => ({ path, content: `${i}` })));
    const walked = await collect(
      readAll(walkAsync(directory.root), { as: "bytes", ordered: false }),
    );
    assertEquals(walked.length, 50);
    assert(walked[0]?.content instanceof Uint8Array);
  },
);

Deno.test("readAll() refuses one path in place of many", () => {
  assertThrows(
    () => readAll("abc"),
    TypeError,
    'paths must be an iterable of paths, got "abc"',
  );
});

testWith(
  needed,
  "readAll() treats a file that cannot be read as onError says",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const paths = [
      await directory.write("a", "1"),
      directory.path("none"),
      await directory.write("b", "2"),
    ];
    await assertRejects(
      () => collect(readAll(paths)),
      Deno.errors.NotFound,
      "none",
    );
    const skipped = await collect(readAll(paths, { onError: "skip" }));
    assertEquals(skipped.map(({ content }) => content), ["1", "2"]);
    const told: string[] = [];
    await collect(readAll(paths, { onError: (_, path) => told.push(path) }));
    assertEquals(told, [paths[1]]);
    assertThrows(
      () => readAll([], { onError: 1 as unknown as "skip" }),
      TypeError,
      "onError",
    );
    assertThrows(
      () => readAll([], { concurrency: 0 }),
      RangeError,
      "concurrency",
    );
    await assertRejects(() => collect(readAll([""])), TypeError, "path");
    const reason = { why: "test" };
    assertStrictEquals(
      await collect(
        readAll(paths, { signal: AbortSignal.abort(reason), onError: "skip" }),
      )
        .catch((error) => error),
      reason,
    );
  },
);

testWith(
  needed,
  "readAll() and walkAsync() keep to the limit and the priorities of a runner",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const paths: string[] = [];
    for (let i = 0; i < 60; i++) {
      paths.push(
        await directory.write(`d${i % 6}/f${i}`, `${i}`),
      );
    }
    let running = 0;
    let most = 0;
    // In the order of their starts: when a read ends is the system's to say.
    const started: TaskPriority[] = [];
    await using runner = new AsyncRunner({
      maxWorkers: 3,
      observer: {
        started: ({ priority }) => {
          most = Math.max(most, ++running);
          started.push(priority);
        },
        ended: () => running--,
      },
    });
    const low = collect(
      readAll(paths, {
        runner,
        priority: TaskPriority.BACKGROUND,
        concurrency: 50,
      }),
    );
    // Everything of the first has been submitted by now, and little of it has run.
    await Promise.resolve();
    const high = collect(
      readAll(paths.slice(0, 10), {
        runner,
        priority: TaskPriority.CRITICAL,
        concurrency: 50,
      }),
    );
    assertEquals((await low).length, 60);
    assertEquals((await high).length, 10);
    const early = started.slice(0, 20)
      .filter((priority) => priority === TaskPriority.CRITICAL);
    assertEquals(started.length, 70);
    assertEquals(early.length, 10, `${started}`);
    const entries = await collect(
      walkAsync(directory.root, { runner, concurrency: 16 }),
    );
    assertEquals(entries.length, 60);
    const sorted = await collect(
      walkAsync(directory.root, { runner, sort: true }),
    );
    assertEquals(sorted.length, 60);
    assertEquals(most, 3);
  },
);

testWith(
  needed,
  "asyncHashFile() is the SHA-256 of the file or a part of it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    const all = new Uint8Array(1_800_000).map((_, i) =>
      content[i % 60_000] as number
    );
    const path = await directory.write("a", all);
    const hex = async (bytes: Uint8Array<ArrayBuffer>) =>
      new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    let last = 0;
    assertEquals(
      await asyncHashFile(path, { onProgress: (bytes) => last = bytes }),
      await hex(all),
    );
    assertEquals(last, all.byteLength);
    assertEquals(
      await asyncHashFile(path, { start: 1_000, end: 700_000 }),
      await hex(all.slice(1_000, 700_000)),
    );
    const reason = { why: "test" };
    assertStrictEquals(
      await asyncHashFile(path, { signal: AbortSignal.abort(reason) }).catch((
        error,
      ) => error),
      reason,
    );
    await assertRejects(
      () => asyncHashFile(directory.path("none")),
      Deno.errors.NotFound,
      "none",
    );
  },
);
