import { assertEquals, assertStrictEquals } from "@std/assert";
import { asyncCopyFile, readAll, walkAsync } from "../../file/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { HeldTask, microtasks } from "../support/held_task.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { collect, TemporaryDirectory } from "../support/temporary_directory.ts";
import { testWith } from "../support/permissions.ts";

/** Forty files in twenty directories. */
async function manyFiles(): Promise<TemporaryDirectory> {
  const directory = await TemporaryDirectory.create();
  for (let i = 0; i < 40; i++) {
    await directory.write(`from/d${i >> 1}/f${i}`, "x".repeat(10_000));
  }
  return directory;
}

testWith(
  ["read", "write"],
  "walkAsync() does not wait for a runner that others keep busy when its loop is left",
  async () => {
    await using directory = await manyFiles();
    for (const sort of [false, true]) {
      const runner = new AsyncRunner({ maxWorkers: 1 });
      await using _ = nothingLeft({ runner });
      const held = new HeldTask();
      const root = directory.path("from");
      const walk = walkAsync(root, { runner, sort, includeDirs: true });
      for await (const _ of walk) {
        void runner.submit(held.run, { priority: 0 });
        await Promise.resolve();
        break;
      }
      // A start may have been held back for a turn of the event loop.
      await microtasks();
      assertEquals(runner.stats().queued, 0);
      held.end();
      await runner.shutdown();
    }
  },
);

testWith(
  ["read", "write"],
  "readAll() and walkAsync() turn nothing away when they share a runner with a short queue",
  async () => {
    await using directory = await manyFiles();
    for (const overflow of ["reject", "drop-oldest"] as const) {
      await using runner = new AsyncRunner({
        maxWorkers: 1,
        maxQueue: 1,
        overflow,
      });
      const files = walkAsync(directory.path("from"), { runner });
      assertEquals((await collect(readAll(files, { runner }))).length, 40);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() has ended all its writing when a tree's copy by a runner rejects with the signal's reason",
  async () => {
    await using directory = await manyFiles();
    const reason = { why: "test" };
    for (let round = 0; round < 20; round++) {
      await using runner = new AsyncRunner({ maxWorkers: 8 });
      const controller = new AbortController();
      await using _ = nothingLeft({ runner, signals: [controller.signal] });
      const to = directory.path(`to${round}`);
      const error = await asyncCopyFile(directory.path("from"), to, {
        runner,
        signal: controller.signal,
        onProgress: ({ files }) => {
          if (files === round + 1) controller.abort(reason);
        },
      }).catch((error) => error);
      assertStrictEquals(error, reason);
      // At once: nothing else gets a turn before this look.
      const litter: string[] = [];
      for (const { name } of Deno.readDirSync(to)) {
        for (const file of Deno.readDirSync(`${to}/${name}`)) {
          if (file.name.endsWith(".tmp")) litter.push(file.name);
        }
      }
      assertEquals(litter, []);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() tells of a failure although others keep the runner busy",
  async () => {
    await using directory = await manyFiles();
    const runner = new AsyncRunner({ maxWorkers: 1 });
    await using _ = nothingLeft({ runner });
    const held = new HeldTask();
    const failure = new Error("mine");
    const error = await asyncCopyFile(
      directory.path("from"),
      directory.path("to"),
      {
        runner,
        onProgress: () => {
          void runner.submit(held.run, { priority: 0 });
          throw failure;
        },
      },
    ).catch((error) => error);
    assertStrictEquals(error, failure);
    held.end();
    await runner.shutdown();
  },
);
