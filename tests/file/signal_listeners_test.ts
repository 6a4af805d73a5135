/**
 * A signal that many calls share gets its listener back from each of them, however it ended.
 *
 * @module
 */
import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  asyncCopyFile,
  AsyncDirectoryWatcher,
  AsyncFileReader,
  AsyncFileWriter,
  asyncWriteFile,
  readAll,
  walkAsync,
  type WalkOptions,
} from "../../file/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { mostAbortListeners, nothingLeft } from "../support/nothing_left.ts";
import { testWith } from "../support/permissions.ts";
import { errorOf } from "../support/tasks.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

const failure = new Error("planned");
const throwIt = () => {
  throw failure;
};

/** What is called with a signal, listens, and ends by itself. */
type Call = (
  directory: TemporaryDirectory,
  signal: AbortSignal,
) => Promise<unknown>;

async function first(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream) break;
}

const reader = (directory: TemporaryDirectory, signal: AbortSignal) =>
  new AsyncFileReader(directory.path("from/a"), { signal, chunkSize: 100 });

const CALLS: Record<string, Call> = {
  "AsyncFileReader.streamLines()": (directory, signal) =>
    reader(directory, signal).streamLines().drain(),
  "AsyncFileReader.streamBytes() that is left": (directory, signal) =>
    first(reader(directory, signal).streamBytes()),
  "AsyncFileReader.streamJson() that fails": (directory, signal) =>
    reader(directory, signal).streamJson().drain(),
  "AsyncFileReader.stream() that fails for want of a file": (
    directory,
    signal,
  ) => new AsyncFileReader(directory.path("none"), { signal }).stream().drain(),
  "AsyncFileReader.tail()": (directory, signal) =>
    reader(directory, signal).tail().drain(),
  "AsyncFileReader.tail({ follow }) that is left": (directory, signal) =>
    first(reader(directory, signal).tail({ follow: true })),
  "AsyncFileWriter": async (directory, signal) => {
    await using writer = new AsyncFileWriter(directory.path("to"), { signal });
    await writer.write("text");
    await writer.close();
  },
  "AsyncFileWriter({ atomic }) that is disposed of": async (
    directory,
    signal,
  ) => {
    await using writer = new AsyncFileWriter(directory.path("to"), {
      signal,
      atomic: true,
    });
    await writer.write("text");
    await writer.flush();
  },
  "AsyncFileWriter that fails": async (directory, signal) => {
    const writer = new AsyncFileWriter(directory.path("from"), { signal });
    await writer.write("text");
    await writer.close();
  },
  "asyncWriteFile() of a stream that fails": (directory, signal) =>
    asyncWriteFile(
      directory.path("to"),
      async function* () {
        yield "text";
        throwIt();
      }(),
      { signal },
    ),
  "asyncCopyFile()": (directory, signal) =>
    asyncCopyFile(directory.path("from/a"), directory.path("to"), { signal }),
  "asyncCopyFile() that fails": (directory, signal) =>
    asyncCopyFile(directory.path("from/a"), directory.path("to"), {
      signal,
      onProgress: throwIt,
    }),
  "asyncCopyFile() of a tree": (directory, signal) =>
    asyncCopyFile(directory.path("from"), directory.path("to"), { signal }),
  "asyncCopyFile() of a tree that fails": (directory, signal) =>
    asyncCopyFile(directory.path("from"), directory.path("to"), {
      signal,
      onProgress: throwIt,
    }),
  "asyncCopyFile() of a tree by a runner": async (directory, signal) => {
    await using runner = new AsyncRunner();
    await asyncCopyFile(directory.path("from"), directory.path("to"), {
      signal,
      runner,
    });
  },
  "readAll()": (directory, signal) =>
    readAll([directory.path("from/a")], { signal }).drain(),
  "readAll() that fails": (directory, signal) =>
    readAll([directory.path("none")], { signal }).drain(),
  "AsyncDirectoryWatcher that is stopped": async (directory, signal) => {
    const watcher = new AsyncDirectoryWatcher(directory.root, { signal });
    await watcher.ready;
    await watcher.stop();
  },
  "AsyncDirectoryWatcher that fails": async (directory, signal) => {
    const watcher = new AsyncDirectoryWatcher(directory.path("none"), {
      signal,
    });
    try {
      await watcher.ready;
    } finally {
      await watcher.stop();
    }
  },
};

// One that sorts and has no runner looks at the signal between two reads and does not listen.
const WALKS: Record<string, WalkOptions> = {
  "walkAsync()": {},
  "walkAsync() by a runner": { runner: new AsyncRunner() },
  "walkAsync({ sort }) by a runner": { runner: new AsyncRunner(), sort: true },
};
for (const [name, options] of Object.entries(WALKS)) {
  const walk = (path: string, signal: AbortSignal) =>
    walkAsync(path, { ...options, signal });
  CALLS[name] = (directory, signal) => walk(directory.root, signal).drain();
  CALLS[`${name} that is left`] = (directory, signal) =>
    first(walk(directory.root, signal));
  CALLS[`${name} that fails`] = (directory, signal) =>
    walk(directory.path("none"), signal).drain();
}

for (const [name, call] of Object.entries(CALLS)) {
  testWith(
    ["read", "write"],
    `${name} leaves no listener on its signal`,
    async () => {
      await using directory = await TemporaryDirectory.create();
      await directory.write("from/a", "line\n".repeat(1_000));
      await directory.write("from/b/c", "text");
      const { signal } = new AbortController();
      await using _ = nothingLeft({ signals: [signal] });
      const most = mostAbortListeners(signal);
      const error = await errorOf(call(directory, signal));
      // Otherwise this would mean nothing.
      assertEquals(most(), 1);
      if (name.includes("fails")) assertInstanceOf(error, Error);
      else assertEquals(error, undefined);
    },
  );
}
