/**
 * One runner carries a walk, a stream's map, a batch, downloads and CPU work at once.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import { doEverything, type Work } from "../../examples/one_scheduler.ts";
import { Gauge } from "../../examples/one_scheduler/gauge.ts";
import { fileSize, serveOrigin } from "../../examples/one_scheduler/origin.ts";
import {
  AsyncHTTPClient,
  AsyncRunner,
  type TaskInfo,
  TaskPriority,
} from "../../mod.ts";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

const needed: Deno.PermissionName[] = ["net", "read", "write"];

/** The kinds of work, by the names of their tasks. */
function kindOf({ name, parentId }: TaskInfo): string {
  if (parentId !== undefined) return "segment";
  const kind = /^(download|GET|square|countPrimes)/.exec(name)?.[0];
  return kind ?? "walk";
}

/** Remembers in which order tasks of which kind started, and at which level. */
class StartOrder extends Gauge {
  readonly order: { kind: string; priority: TaskPriority }[] = [];
  /** Called at each start. */
  onStart: (count: number) => void = () => {};

  override started(task: TaskInfo): void {
    super.started(task);
    const { priority } = task;
    this.onStart(this.order.push({ kind: kindOf(task), priority }));
  }
}

/** A tree to walk and a place for downloads. */
async function prepare(directory: TemporaryDirectory): Promise<
  { tree: string; target: string; files: number }
> {
  for (let n = 0; n < 60; n++) await directory.write(`tree/${n % 12}/${n}.txt`);
  const target = directory.path("target");
  await Deno.mkdir(target);
  return { tree: directory.path("tree"), target, files: 60 };
}

testWith(
  needed,
  "one runner never exceeds its limit in total over walk, map, batch, downloads and offload",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const { tree, target, files } = await prepare(directory);
    await using origin = serveOrigin(1);
    await using client = new AsyncHTTPClient();
    for (const maxWorkers of [1, 3]) {
      const observer = new StartOrder();
      await using runner = new AsyncRunner({ maxWorkers, observer });
      const work = { runner, client, origin: origin.url, tree, target };
      const results = await doEverything({ ...work, count: 8 });
      assertEquals(results.files, files);
      assertEquals(results.squares, [0, 1, 4, 9, 16, 25, 36, 49]);
      assertEquals(results.items.at(-1), { item: "7" });
      assertEquals(results.bytes, 8 * fileSize);
      assertEquals(results.primes.length, 8);
      assertEquals(results.primes[0], 1229);
      assertEquals(observer.peak, maxWorkers); // reached, and never passed
      assertEquals(observer.inUse, 0);
      const kinds = new Set(observer.order.map(({ kind }) => kind));
      assertEquals(
        [...kinds].sort(),
        ["GET", "countPrimes", "download", "segment", "square", "walk"],
      );
    }
  },
);

testWith(
  needed,
  "CRITICAL work overtakes in walk, map, batch, downloads and offload alike",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const { tree, target } = await prepare(directory);
    await using origin = serveOrigin(1);
    await using client = new AsyncHTTPClient();
    const observer = new StartOrder();
    await using runner = new AsyncRunner({ maxWorkers: 2, observer });
    const work = { runner, client, origin: origin.url, tree };
    const { BACKGROUND, CRITICAL } = TaskPriority;
    const large = doEverything({
      ...work,
      count: 20,
      priority: BACKGROUND,
      target,
    });
    // In the middle of it, when all five kinds wait:
    await new Promise<void>((resolve) => {
      observer.onStart = (count) => count === 20 && resolve();
    });
    const waiting = runner.stats().queued;
    assertGreater(waiting, 40);
    const urgentTarget = directory.path("urgent");
    await Deno.mkdir(urgentTarget);
    await doEverything({
      ...work,
      count: 3,
      priority: CRITICAL,
      target: urgentTarget,
    });
    assertGreater(runner.stats().queued, 0); // the large load is not done yet
    await large;
    assertEquals(observer.wrongStarts, 0);
    const urgent = observer.order.filter(({ priority }) =>
      priority === CRITICAL
    );
    for (const kind of ["GET", "countPrimes", "download", "square", "walk"]) {
      const count = urgent.filter((start) => start.kind === kind).length;
      assertGreater(count, 2, `${kind} at CRITICAL`);
    }
  },
);

testWith(
  needed,
  "one abort ends walk, map, batch, downloads and offload cleanly, whenever it comes",
  async () => {
    for (const abortAt of [1, 7, 20, 33, 47, 60]) {
      await using directory = await TemporaryDirectory.create();
      const { tree, target } = await prepare(directory);
      await using origin = serveOrigin(2);
      const observer = new StartOrder();
      {
        await using client = new AsyncHTTPClient();
        await using runner = new AsyncRunner({ maxWorkers: 3, observer });
        const controller = new AbortController();
        const reason = new Error(`at start ${abortAt}`);
        observer.onStart = (count) => {
          if (count === abortAt) controller.abort(reason);
        };
        const work: Work = {
          ...{ runner, client, tree, target, origin: origin.url, count: 12 },
          signal: controller.signal,
        };
        const error = await doEverything(work).then(
          () => undefined,
          (error: unknown) => error,
        );
        assertStrictEquals(error, reason);
        const { queued, running } = runner.stats();
        assertEquals([queued, running], [0, 0]);
        assertEquals(observer.inUse, 0);
        assertEquals(client.stats.calls, 0);
      }
      assertLess(observer.order.length, abortAt + 3); // nothing starts any more
      // What has its final name is whole; the rest is no file, or a part to resume from.
      for (const name of await namesIn(target)) {
        if (name.includes(".part")) continue;
        assertMatch(name, /^\d+\.bin$/);
        assertEquals((await Deno.stat(`${target}/${name}`)).size, fileSize);
      }
    }
    // The test's sanitizers see to it that no file, socket, worker or timer is left.
  },
);

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names;
}

testWith(
  [...needed, "run"],
  "one_scheduler.ts does a large load and an urgent one, and says what it measured",
  async () => {
    const { code, stdout, stderr } = await runExample("one_scheduler.ts", [
      "--allow-net=127.0.0.1",
      "--allow-read",
      "--allow-write",
    ]);
    assertEquals([code, stderr], [0, ""]);
    const [, urgent, large] =
      /CRITICAL work done after (\d+) ms, BACKGROUND after (\d+) ms/.exec(
        stdout,
      ) ?? [];
    assertLessOrEqual(Number(urgent), Number(large));
    assert(stdout.includes("Slots in use at most: 4 of 4"), stdout);
    assert(stdout.includes("Started before a CRITICAL task: 0"), stdout);
  },
);
