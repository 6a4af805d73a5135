/**
 * Walks, many reads and copies reject with the first failure itself, when what they had begun has
 * ended: not with a later one, nor with one of the clean-up, and without waiting for what never began.
 *
 * @module
 */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { macrotask } from "../../_internal/macrotask.ts";
import {
  asyncCopyFile,
  AsyncFileWriter,
  asyncWriteFile,
  readAll,
  walkAsync,
} from "../../file/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { CapturedConsole } from "../support/captured_console.ts";
import { HeldTask, watched } from "../support/held_task.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { testWith } from "../support/permissions.ts";
import { stub } from "../support/stub.ts";
import { errorOf } from "../support/tasks.ts";
import { collect, TemporaryDirectory } from "../support/temporary_directory.ts";

/** The value of a promise, or "pending" when it has none after some turns of the event loop. */
async function soon(promise: Promise<unknown>): Promise<unknown> {
  let outcome: unknown = "pending";
  promise.then((value) => outcome = value);
  for (let turn = 0; turn < 200 && outcome === "pending"; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return outcome;
}

// With links to follow a walk reads asynchronously.
const SLOWLY = { followSymlinks: true, concurrency: 4 };

testWith(
  ["read", "write"],
  "walkAsync() rejects with the first failure, and not before the directories being read have been read",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (let i = 0; i < 8; i++) await directory.write(`d${i}/file`);
    let underWay = 0;
    const failures: Error[] = [];
    using _readDir = stub(
      Deno,
      "readDir",
      (original) =>
        async function* (path) {
          underWay++;
          try {
            const isRoot = path === directory.root;
            // The others are still being read, and fail later themselves.
            const turns = failures.length === 0 ? 3 : 6;
            for (let turn = 0; turn < turns; turn++) await macrotask();
            if (!isRoot) {
              const failure = new Deno.errors.PermissionDenied(`${path}`);
              failures.push(failure);
              throw failure;
            }
            yield* original(path);
          } finally {
            underWay--;
          }
        },
    );
    for (const sort of [false, true]) {
      failures.length = 0;
      const walk = collect(walkAsync(directory.root, { ...SLOWLY, sort }));
      const error = await errorOf(walk);
      assertEquals(underWay, 0);
      if (sort) assertEquals(failures.includes(error as Error), true);
      else assertStrictEquals(error, failures[0]);
    }
  },
);

testWith(
  ["read", "write"],
  "walkAsync() does not wait after its abort for what hangs, and keeps its first failure",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (let i = 0; i < 4; i++) await directory.write(`d${i}/file`);
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const hanging = Promise.withResolvers<void>();
    let failure: Error | undefined;
    using _readDir = stub(
      Deno,
      "readDir",
      (original) =>
        async function* (path) {
          if (path === directory.root) yield* original(path);
          else if (failure === undefined) {
            throw failure = new Deno.errors.PermissionDenied("first");
          } else await hanging.promise;
        },
    );
    const walk = watched(collect(
      walkAsync(directory.root, { ...SLOWLY, signal: controller.signal }),
    ));
    while (failure === undefined) await macrotask();
    for (let turn = 0; turn < 20; turn++) await macrotask();
    controller.abort();
    assertStrictEquals(await soon(errorOf(walk)), failure);
    hanging.resolve();
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() rejects with the first failure of a tree, when all copies that had begun have ended",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (let i = 0; i < 12; i++) await directory.write(`from/f${i}`);
    const failures: Error[] = [];
    let underWay = 0;
    let begun = 0;
    const isCleanedUp = Promise.withResolvers<void>();
    using _remove = stub(Deno, "remove", (original) => async (...args) => {
      await original(...args).catch(() => {});
      isCleanedUp.resolve();
    });
    using _copyFile = stub(Deno, "copyFile", () => async () => {
      begun++;
      underWay++;
      // The fourth fails first, and has ended when the others fail.
      if (begun < 4) await isCleanedUp.promise;
      for (let turn = 0; turn < 10; turn++) await macrotask();
      underWay--;
      const failure = new Error("planned");
      failures.push(failure);
      throw failure;
    });
    const copy = asyncCopyFile(directory.path("from"), directory.path("to"), {
      concurrency: 4,
    });
    assertStrictEquals(await errorOf(copy), failures[0]);
    assertEquals([begun, underWay, failures.length], [4, 0, 4]);
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() tells of a failure although its walk waits for a runner that others keep busy",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("from/a");
    // A directory deep: the next is asked for when the one around it has been read.
    await directory.write("from/b/c/d/e/f");
    const runner = new AsyncRunner({ maxWorkers: 1 });
    await using _ = nothingLeft({ runner });
    const held = new HeldTask();
    const failure = new Error("mine");
    const copy = watched(
      asyncCopyFile(directory.path("from"), directory.path("to"), {
        runner,
        onProgress: () => {
          void runner.submit(held.run, { priority: 0 });
          throw failure;
        },
      }),
    );
    const error = await soon(errorOf(copy));
    held.end();
    assertStrictEquals(error, failure);
    assertEquals(runner.stats().queued, 0);
    await runner.shutdown();
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() takes its copies out of the queue of a busy runner when its walk fails",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (let i = 0; i < 5; i++) await directory.write(`from/a${i}`);
    await directory.write("from/b/file");
    const runner = new AsyncRunner({ maxWorkers: 1 });
    await using _ = nothingLeft({ runner });
    const held = new HeldTask();
    const failure = new Deno.errors.PermissionDenied("mine");
    using _readDir = stub(
      Deno,
      "readDir",
      (original) =>
        async function* (path) {
          if (path === directory.path("from")) return yield* original(path);
          void runner.submit(held.run, { priority: 0 });
          throw failure;
        },
    );
    const copy = watched(
      asyncCopyFile(directory.path("from"), directory.path("to"), { runner }),
    );
    const error = await soon(errorOf(copy));
    held.end();
    assertStrictEquals(error, failure);
    await runner.shutdown();
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() makes no directory any more when the copy of a tree has failed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/a");
    for (let i = 0; i < 5; i++) await directory.write(`from/b${i}/file`);
    let making = 0;
    let begun = 0;
    const failing = Promise.withResolvers<void>();
    using _mkdir = stub(Deno, "mkdir", (original) => async (...args) => {
      begun++;
      making++;
      if (begun > 1) {
        await failing.promise;
        for (let turn = 0; turn < 200; turn++) await macrotask();
      }
      await original(...args);
      making--;
    });
    const failure = new Error("mine");
    const copy = asyncCopyFile(directory.path("from"), directory.path("to"), {
      onProgress: () => {
        failing.resolve();
        throw failure;
      },
    });
    assertStrictEquals(await errorOf(copy), failure);
    // The destination, and the one that was being made.
    assertEquals([begun, making], [2, 0]);
  },
);

/** Forty files, read by a runner that another task keeps busy as soon as `block` was called. */
async function blocked(
  body: (
    paths: string[],
    runner: AsyncRunner,
    block: () => void,
  ) => Promise<void>,
): Promise<void> {
  await using directory = await TemporaryDirectory.create();
  const paths = [directory.path("none")];
  for (let i = 0; i < 40; i++) paths.push(await directory.write(`f${i}`, "x"));
  const runner = new AsyncRunner({ maxWorkers: 1 });
  await using _ = nothingLeft({ runner });
  const held = new HeldTask();
  try {
    await body(
      paths,
      runner,
      () => void runner.submit(held.run, { priority: 0 }),
    );
    assertEquals(runner.stats().queued, 0);
  } finally {
    held.end();
    await runner.shutdown();
  }
}

testWith(
  ["read", "write"],
  "readAll() tells of a failure, and of no other file, although others keep its runner busy",
  async () => {
    for (const ordered of [true, false]) {
      await blocked(async (paths, runner, block) => {
        const failure = new Error("mine");
        const told: string[] = [];
        const reading = watched(collect(readAll(paths, {
          runner,
          ordered,
          onError: (_, path) => {
            told.push(path);
            block();
            throw failure;
          },
        })));
        assertStrictEquals(await soon(errorOf(reading)), failure);
        assertEquals(told, [paths[0]]);
      });
    }
  },
);

testWith(
  ["read", "write"],
  "readAll() in order delivers what comes before a failure by a runner",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const paths: string[] = [];
    for (let i = 0; i < 5; i++) paths.push(await directory.write(`f${i}`, "x"));
    paths.push(directory.path("none"), ...paths);
    await using runner = new AsyncRunner({ maxWorkers: 8 });
    const read: string[] = [];
    const error = await errorOf(
      readAll(paths, { runner }).forEach(({ path }) => void read.push(path)),
    );
    assertEquals(read, paths.slice(0, 5));
    assertEquals(error instanceof Deno.errors.NotFound, true);
  },
);

testWith(
  ["read", "write"],
  "readAll() does not wait for a runner that others keep busy when its loop is left",
  async () => {
    await blocked(async (paths, runner, block) => {
      const leave = async () => {
        for await (const _ of readAll(paths.slice(1), { runner })) {
          block();
          break;
        }
        return "left";
      };
      assertEquals(await soon(leave()), "left");
    });
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile(), asyncWriteFile() and AsyncFileWriter reject with the failure, not with that of its clean-up",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    using console = new CapturedConsole();
    const failure = new Error("mine");
    const fail = () => {
      throw failure;
    };
    const from = await directory.write("from", "x".repeat(10));
    const to = directory.path("to");
    using _remove = stub(
      Deno,
      "remove",
      (original) => async (path, options) => {
        await original(path, options);
        if (String(path).endsWith(".tmp")) throw new Error("clean-up");
      },
    );
    const failing: Record<string, () => Promise<unknown>> = {
      copy: () => asyncCopyFile(from, to, { onProgress: fail }),
      write: () =>
        asyncWriteFile(
          to,
          (function* () {
            yield "x".repeat(600_000);
            fail();
          })(),
          { atomic: true },
        ),
      writer: async () => {
        const writer = new AsyncFileWriter(to, { atomic: true });
        using _open = stub(Deno, "open", (original) => async (...args) => {
          const file = await original(...args);
          file.write = () => Promise.reject(failure);
          return file;
        });
        await writer.write("x");
        await writer.close();
      },
    };
    for (const [name, run] of Object.entries(failing)) {
      assertStrictEquals(await errorOf(run()), failure, name);
      const lines = console.take();
      assertEquals(lines.length, 1, name);
      assertEquals(lines[0]?.includes("Error: clean-up"), true, name);
      assertEquals(Object.keys(failure), []);
    }
  },
);
