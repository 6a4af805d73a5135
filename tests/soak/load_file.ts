/**
 * Random files: written, aborted, read, copied, walked.
 *
 * @module
 */
import {
  asyncCopyFile,
  AsyncDirectoryWatcher,
  AsyncFileReader,
  AsyncFileWriter,
  asyncReadFile,
  asyncWriteFile,
  walkAsync,
} from "../../file/mod.ts";
import { Fault, holds, type Load, pause } from "./load.ts";

const CANCELLED = new Error("left by the soak");

/** Atomic writers: the file is the old one or the new one, whole. */
export const writers: Load = async (random, context) => {
  const directory = await context.directory();
  const path = `${directory}/file`;
  let current = "old\n";
  await asyncWriteFile(path, current);
  for (let round = random.integer(1, 5); round > 0; round--) {
    const lines = Array.from(
      { length: random.integer(1, 2_000) },
      (_, n) => `${round} ${n} ${"x".repeat(n % 40)}`,
    );
    const writer = new AsyncFileWriter(path, {
      atomic: true,
      fsync: false,
      signal: context.signal,
    });
    const stopsAt = random.chance(0.3) ? random.integer(0, 20) : Infinity;
    let index = 0;
    try {
      for (const line of lines) {
        if (index++ === stopsAt) throw new Fault("writer");
        await writer.write(`${line}\n`);
      }
      await writer.close();
      current = `${lines.join("\n")}\n`;
    } catch (error) {
      holds(error instanceof Fault, `a writer fails for a reason: ${error}`);
      await writer.abort(error);
    }
    holds(await asyncReadFile(path) === current, "the old file or the new one");
    const leavesAt = random.chance(0.3) ? random.integer(1, 50) : Infinity;
    const expected = current.split("\n").slice(0, -1);
    let count = 0;
    for await (const line of new AsyncFileReader(path).streamLines()) {
      holds(line === expected[count++], "each line, in order");
      if (count === leavesAt) break;
    }
    holds(
      count === Math.min(expected.length, leavesAt),
      "no line is lost or doubled",
    );
  }
  const names = await Array.fromAsync(Deno.readDir(directory), (e) => e.name);
  holds(names.join() === "file", `no temporary file is left: ${names}`);
};

/** Trees: copied whole or not at all, and walked without a file lost or doubled. */
export const trees: Load = async (random, context) => {
  const directory = await context.directory();
  const expected = new Set<string>();
  for (let index = random.integer(1, 40); index > 0; index--) {
    const below = `${directory}/tree/${index % 5}/${index % 3}`;
    await Deno.mkdir(below, { recursive: true });
    const path = `${below}/${index}.txt`;
    await Deno.writeTextFile(path, "x".repeat(random.integer(0, 5_000)));
    expected.add(path);
  }
  const found: string[] = [];
  const walk = walkAsync(`${directory}/tree`, {
    runner: context.runner,
    signal: context.signal,
  });
  for await (const { path } of walk) found.push(path);
  holds(
    found.length === expected.size && found.every((path) => expected.has(path)),
    `the walk finds ${expected.size}, not ${found.length}`,
  );
  for await (const _ of walkAsync(`${directory}/tree`)) break;
  const own = new AbortController();
  const timer = random.chance(0.5)
    ? setTimeout(() => own.abort(CANCELLED), random.integer(0, 5))
    : undefined;
  try {
    await asyncCopyFile(`${directory}/tree`, `${directory}/copy`, {
      signal: own.signal,
    });
    let copied = 0;
    for await (const _ of walkAsync(`${directory}/copy`)) copied++;
    holds(copied === expected.size, "the copy is whole");
  } catch (error) {
    holds(
      error === CANCELLED ||
        (error as AggregateError).errors?.includes?.(CANCELLED),
      `a copy fails for a reason: ${error}`,
    );
  } finally {
    clearTimeout(timer);
  }
};

/** A watcher that is started, told of a file, and left. */
export const watchers: Load = async (random, context) => {
  const directory = await context.directory();
  const watcher = new AsyncDirectoryWatcher(directory, {
    signal: context.signal,
    debounce: 1,
  });
  if (random.chance(0.3)) {
    await watcher.stop();
    return;
  }
  const events = watcher.watch()[Symbol.asyncIterator]();
  const first = events.next();
  await watcher.ready;
  await Deno.writeTextFile(`${directory}/seen`, "seen");
  const { value } = await first;
  holds(value?.path.endsWith("seen") === true, "the file is told of");
  if (random.chance(0.5)) await events.return?.();
  await watcher.stop();
  await pause(0);
};
