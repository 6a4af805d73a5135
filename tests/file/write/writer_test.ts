import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { AsyncFileWriter } from "../../../file/mod.ts";
import { DisposedError } from "../../../_internal/errors.ts";
import { AsyncStream } from "../../../streams/mod.ts";
import { writeAll } from "../../../file/write/write_queue.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };

testWith(
  ["read", "write"],
  "AsyncFileWriter.write() keeps the order of the calls when they overlap",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("a");
    for (const bufferSize of [16, 64, 1_000, 262_144]) {
      await using writer = new AsyncFileWriter(path, { bufferSize });
      const calls: Promise<void>[] = [];
      let expected = "";
      for (let i = 0; i < 2_000; i++) {
        const text = `${i}:${"x".repeat(i % 40)}\n`;
        expected += text;
        calls.push(
          i % 3 === 0
            ? writer.writeBytes(new TextEncoder().encode(text))
            : writer.write(text),
        );
        if (i % 500 === 0) calls.push(writer.flush());
      }
      await writer.close();
      await Promise.all(calls);
      assertEquals(await Deno.readTextFile(path), expected);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter writes what its calls say whatever their sizes",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("a");
    const call = fc.oneof(
      fc.string({ unit: "binary", maxLength: 50 }),
      fc.constantFrom("\ud83d", "\ude00", "\u{1f600}", ""),
      fc.uint8Array({ maxLength: 60 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 20 }),
        fc.integer({ min: 16, max: 40 }),
        async (calls, bufferSize) => {
          // Text between two pieces of bytes is one text, as a surrogate pair may be split.
          const pieces: (string | Uint8Array)[] = [];
          for (const content of calls) {
            const last = pieces.at(-1);
            if (typeof content === "string" && typeof last === "string") {
              pieces[pieces.length - 1] = last + content;
            } else pieces.push(content);
          }
          const expected = pieces.flatMap((piece) => [
            ...(typeof piece === "string"
              ? new TextEncoder().encode(piece)
              : piece),
          ]);
          await using writer = new AsyncFileWriter(path, { bufferSize });
          for (const content of calls) {
            await (typeof content === "string"
              ? writer.write(content)
              : writer.writeBytes(content));
          }
          await writer.close();
          assertEquals([...await Deno.readFile(path)], expected);
        },
      ),
      { numRuns: 150, seed: 4 },
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter.write() waits when two buffers are full, and not before",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using writer = new AsyncFileWriter(directory.path("a"), {
      bufferSize: 1_000,
    });
    const isDone = async (promise: Promise<void>) => {
      let isSettled = false;
      promise.then(() => isSettled = true);
      await Promise.resolve();
      return isSettled;
    };
    const text = "x".repeat(500);
    for (let i = 0; i < 4; i++) assert(await isDone(writer.write(text)));
    const waiting = writer.write(text);
    assert(!await isDone(waiting));
    await waiting;
    await writer.close();
  },
);

testWith(
  ["write"],
  "AsyncFileWriter rejects when the disk is full, in the call that waits, in later calls and in close()",
  async () => {
    await using _ = nothingLeft();
    const writer = new AsyncFileWriter("/dev/full", { bufferSize: 1_000 });
    const error = await assertRejects(
      async () => {
        for (let i = 0; i < 100; i++) await writer.write("x".repeat(600));
      },
      Error,
      "No space left on device",
    );
    assert(error.message.includes("/dev/full"));
    assertStrictEquals(await writer.write("y").catch((error) => error), error);
    assertStrictEquals(await writer.flush().catch((error) => error), error);
    assertStrictEquals(await writer.close().catch((error) => error), error);
    await writer[Symbol.asyncDispose]();
  },
  onLinux,
);

testWith(
  ["write"],
  "AsyncFileWriter.close() rejects when the last buffer meets a full disk",
  async () => {
    await using _ = nothingLeft();
    const writer = new AsyncFileWriter("/dev/full");
    await writer.write("small");
    await assertRejects(() => writer.close(), Error, "No space left on device");
  },
  onLinux,
);

testWith(
  ["write"],
  "AsyncFileWriter's disposal tells a failure that no call has told, and only then",
  async () => {
    await using _ = nothingLeft();
    await assertRejects(
      async () => {
        await using writer = new AsyncFileWriter("/dev/full");
        await writer.write("small");
      },
      Error,
      "No space left on device",
    );
    const error = await (async () => {
      await using writer = new AsyncFileWriter("/dev/full");
      await writer.write("small");
      await writer.flush();
    })().catch((error) => error);
    assert(!(error instanceof SuppressedError));
  },
  onLinux,
);

testWith(
  ["read", "write"],
  "AsyncFileWriter.writable reports a full disk when it is piped to",
  async () => {
    await using _ = nothingLeft();
    const writer = new AsyncFileWriter("/dev/full");
    await assertRejects(
      () => new Blob(["some text"]).stream().pipeTo(writer.writable),
      Error,
      "No space left on device",
    );
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("a");
    await new Blob(["some text"]).stream().pipeTo(
      new AsyncFileWriter(path).writable,
    );
    assertEquals(await Deno.readTextFile(path), "some text");
  },
  onLinux,
);

Deno.test("writeAll() goes on where a short write stopped", async () => {
  const got: number[] = [];
  await writeAll({
    write(bytes) {
      const count = Math.min(3, bytes.byteLength);
      got.push(...bytes.subarray(0, count));
      return Promise.resolve(count);
    },
  }, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  assertEquals(got, [1, 2, 3, 4, 5, 6, 7, 8]);
});

testWith(
  ["read", "write"],
  "AsyncFileWriter appends with mode a and refuses what exists with mode x",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old ");
    {
      await using writer = new AsyncFileWriter(path, { mode: "a" });
      await writer.write("new");
    }
    assertEquals(await Deno.readTextFile(path), "old new");
    for (const atomic of [false, true]) {
      const writer = new AsyncFileWriter(path, { mode: "x", atomic });
      await writer.write("never");
      await assertRejects(
        () => writer.close(),
        Deno.errors.AlreadyExists,
        path,
      );
      const fresh = directory.path(`fresh-${atomic}`);
      await using exclusive = new AsyncFileWriter(fresh, { mode: "x", atomic });
      await exclusive.write("fresh");
      await exclusive.close();
      assertEquals(await Deno.readTextFile(fresh), "fresh");
    }
    assertEquals(await directory.names(), ["a", "fresh-false", "fresh-true"]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter makes an empty file when nothing is written",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const atomic of [false, true]) {
      const path = await directory.write("a", "old");
      await using writer = new AsyncFileWriter(path, { atomic });
      await writer.close();
      assertEquals(await Deno.readTextFile(path), "");
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter leaves the old file when an atomic write is aborted or disposed without close()",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = await directory.write("a", "old");
    const reason = new Error("stop");
    const error = await (async () => {
      await using writer = new AsyncFileWriter(path, { atomic: true });
      await writer.write("half");
      await writer.flush();
      assertEquals((await directory.names()).length, 2);
      throw reason;
    })().catch((error) => error);
    assertStrictEquals(error, reason);
    assertEquals(await directory.names(), ["a"]);

    const writer = new AsyncFileWriter(path, {
      atomic: true,
      signal: controller.signal,
    });
    await writer.write("half");
    const flushing = writer.flush();
    controller.abort(reason);
    assertStrictEquals(await flushing.catch((error) => error), reason);
    assertStrictEquals(await writer.write("x").catch((error) => error), reason);
    assertStrictEquals(await writer.close().catch((error) => error), reason);
    await writer[Symbol.asyncDispose]();
    assertEquals(await directory.names(), ["a"]);
    assertEquals(await Deno.readTextFile(path), "old");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter leaves the old or the new file when it is aborted at any step",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old");
    const content = "new".repeat(1_000);
    let wasCommitted = 0;
    for (let step = 0; step < 60; step++) {
      await Deno.writeTextFile(path, "old");
      const writer = new AsyncFileWriter(path, {
        atomic: true,
        bufferSize: 64,
      });
      const writing = (async () => {
        await writer.write(content);
        await writer.close();
      })().then(() => "committed", () => "aborted");
      for (let i = 0; i < step; i++) await Promise.resolve();
      if (step % 2 === 1) {
        await new Promise((resolve) => setTimeout(resolve, step / 20));
      }
      await writer.abort(new Error("stop"));
      const outcome = await writing;
      if (outcome === "committed") wasCommitted++;
      assertEquals(
        await Deno.readTextFile(path),
        outcome === "committed" ? content : "old",
      );
      assertEquals(await directory.names(), ["a"]);
    }
    assert(wasCommitted < 60);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter does nothing when its signal has aborted before",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const reason = { why: "test" };
    for (const atomic of [false, true]) {
      const writer = new AsyncFileWriter(directory.path("a"), {
        atomic,
        signal: AbortSignal.abort(reason),
      });
      assertStrictEquals(
        await writer.write("x").catch((error) => error),
        reason,
      );
      await writer[Symbol.asyncDispose]();
    }
    assertEquals(await directory.names(), []);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter is a clear error after close(), which may be called twice",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const writer = new AsyncFileWriter(directory.path("a"));
    await writer.write("x");
    assertStrictEquals(writer.close(), writer.close());
    await writer.close();
    await assertRejects(() => writer.write("y"), DisposedError, writer.path);
    await assertRejects(() => writer.flush(), DisposedError);
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    await writer.abort();
    assertEquals(await Deno.readTextFile(writer.path), "x");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter.flush() and sync() bring what was written to the file",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using writer = new AsyncFileWriter(directory.path("a"));
    await writer.write("one");
    await writer.flush();
    assertEquals(await Deno.readTextFile(writer.path), "one");
    await writer.write("two");
    await writer.sync();
    assertEquals(await Deno.readTextFile(writer.path), "onetwo");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter.writeLines() takes iterables and async iterables",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using writer = new AsyncFileWriter(directory.path("a"));
    await writer.writeLines(["1", "2"]);
    await writer.writeLines((async function* () {
      yield "3";
      await Promise.resolve();
      yield "4";
    })());
    await writer.close();
    assertEquals(await Deno.readTextFile(writer.path), "1\n2\n3\n4\n");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter.writeLines() refuses what is no iterable of strings, and comes too late after close()",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("a");
    await using writer = new AsyncFileWriter(path);
    for (const lines of ["abc", null, undefined, 5, {}]) {
      await assertRejects(
        () => writer.writeLines(lines as string[]),
        TypeError,
        "lines must be an iterable of strings, got ",
      );
    }
    const numbers = [1] as unknown as string[];
    for (const lines of [numbers, AsyncStream.from(numbers)]) {
      await assertRejects(
        () => writer.writeLines(lines),
        TypeError,
        "a line must be a string, got 1",
      );
    }
    await writer.close();
    await assertRejects(() => writer.writeLines([]), DisposedError);
    assertEquals(await Deno.readTextFile(path), "");
  },
);

/** Yields a line, and then nothing, not even an end. */
async function* silentAfter(
  line: string,
  onSilence: () => void = () => {},
): AsyncGenerator<string> {
  yield line;
  onSilence();
  await new Promise(() => {});
}

testWith(
  ["read", "write"],
  "AsyncFileWriter.writeLines() rejects when the writer is aborted while its source is silent",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const reason = { why: "test" };
    const { signal } = controller;
    const bySignal = new AsyncFileWriter(directory.path("a"), { signal });
    const byCall = new AsyncFileWriter(directory.path("b"));
    const writing = [bySignal, byCall].map((writer) =>
      writer.writeLines(silentAfter("line")).catch((error) => error)
    );
    await bySignal.flush();
    controller.abort(reason);
    await byCall.abort(reason);
    for (const one of writing) assertStrictEquals(await one, reason);
  },
);

testWith(
  ["write"],
  "AsyncFileWriter.writeLines() tells of a full disk while its source is silent, and disposal not again",
  async () => {
    await using _ = nothingLeft();
    await using writer = new AsyncFileWriter("/dev/full");
    const { promise: silence, resolve } = Promise.withResolvers<void>();
    const writing = writer.writeLines(silentAfter("line", resolve));
    const refused = assertRejects(() => writing, Error, "/dev/full");
    await silence;
    await writer.flush().catch(() => {});
    await refused;
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter writes UTF-16 and Latin-1, and refuses what Latin-1 lacks",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("a");
    const write = async (
      encoding: "utf-16le" | "utf-16be" | "latin1",
      text: string,
    ) => {
      await using writer = new AsyncFileWriter(path, { encoding });
      await writer.write(text);
      await writer.close();
      return [...await Deno.readFile(path)];
    };
    assertEquals(await write("utf-16le", "a\u20ac"), [97, 0, 0xac, 0x20]);
    assertEquals(await write("utf-16be", "a\u20ac"), [0, 97, 0x20, 0xac]);
    assertEquals(await write("latin1", "\u00e9"), [0xe9]);
    await assertRejects(() => write("latin1", "\u20ac"), RangeError, "U+20AC");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter's lock waits for others, and can be given up by a signal",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = await directory.write("a", "old");
    await using first = new AsyncFileWriter(path, {
      mode: "a",
      lock: "exclusive",
    });
    await first.write("1");
    await first.flush();
    const second = new AsyncFileWriter(path, {
      lock: "exclusive",
      signal: controller.signal,
    });
    await second.write("2");
    const closing = second.close();
    const reason = new Error("too long");
    setTimeout(() => controller.abort(reason), 20);
    assertStrictEquals(await closing.catch((error) => error), reason);
    // It had no lock, so it must not have emptied the file.
    assertEquals(await Deno.readTextFile(path), "old1");
    const third = new AsyncFileWriter(path, { lock: "exclusive" });
    await third.write("3");
    const waiting = third.close();
    await first.close();
    await waiting;
    assertEquals(await Deno.readTextFile(path), "3");
    const shared = new AsyncFileWriter(path, { mode: "a", lock: "shared" });
    await using beside = new AsyncFileWriter(path, {
      mode: "a",
      lock: "shared",
    });
    await shared.flush();
    await beside.flush();
    await shared.close();
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter gives up waiting for a lock when it is aborted",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old");
    await using first = new AsyncFileWriter(path, {
      mode: "a",
      lock: "exclusive",
    });
    await first.flush();
    const second = new AsyncFileWriter(path, { lock: "exclusive" });
    const flushing = second.flush();
    const reason = new Error("stop");
    await second.abort(reason);
    assertStrictEquals(await flushing.catch((error) => error), reason);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter's disposal does not wait for a lock when nothing was written, and writes what was",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old");
    const first = new AsyncFileWriter(path, { mode: "a", lock: "exclusive" });
    await first.flush();
    {
      await using unused = new AsyncFileWriter(path, { lock: "exclusive" });
      await unused.write("");
    }
    // It had no lock, so it must not have emptied the file either.
    assertEquals(await Deno.readTextFile(path), "old");
    const used = new AsyncFileWriter(path, { lock: "exclusive" });
    await used.write("new");
    const disposing = used[Symbol.asyncDispose]();
    await first.close();
    await disposing;
    assertEquals(await Deno.readTextFile(path), "new");
  },
);

Deno.test("AsyncFileWriter refuses options that make no sense", () => {
  const make = (options: object) => () => new AsyncFileWriter("a", options);
  assertThrows(
    make({ mode: "r" }),
    RangeError,
    'mode must be one of "w", "a", "x", got "r"',
  );
  assertThrows(make({ mode: "a", atomic: true }), TypeError, "atomic");
  assertThrows(make({ lock: "shared", atomic: true }), TypeError, "lock");
  assertThrows(make({ lock: "both" }), RangeError, "lock");
  assertThrows(make({ bufferSize: 1 }), RangeError, "bufferSize");
  assertThrows(make({ encoding: "shift_jis" }), RangeError, "encoding");
  assertThrows(make({ permissions: 0o10000 }), RangeError, "permissions");
  assertThrows(() => new AsyncFileWriter(""), TypeError, "path");
});

testWith(
  ["read", "write"],
  "AsyncFileWriter rejects what is no text or no bytes",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await using writer = new AsyncFileWriter(directory.path("a"));
    await assertRejects(
      () => writer.write(1 as unknown as string),
      TypeError,
      "text",
    );
    await assertRejects(
      () => writer.writeBytes("x" as unknown as Uint8Array),
      TypeError,
      "bytes",
    );
    await writer.close();
  },
);

testWith(
  ["read", "write"],
  "AsyncFileWriter names the path when it is a directory or its directory is missing",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (const atomic of [false, true]) {
      const onDirectory = new AsyncFileWriter(directory.root, { atomic });
      await assertRejects(
        () => onDirectory.close(),
        Deno.errors.IsADirectory,
        directory.root,
      );
      const missing = new AsyncFileWriter(directory.path("no/file"), {
        atomic,
      });
      const error = await missing.close().catch((error) => error);
      assertInstanceOf(error, Deno.errors.NotFound);
      assert(error.message.includes(directory.path("no")));
    }
  },
);

testWith(
  ["read", "write", "run"],
  "AsyncFileWriter waits neither for a FIFO's reader nor for a silent one when it is aborted",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    const reason = { why: "test" };
    const ways: ((writer: AsyncFileWriter) => Promise<unknown>)[] = [
      (writer) => writer.flush(),
      (writer) => writer.close(),
    ];
    for (const isOpen of [false, true]) {
      // Open, it takes 64 KiB and no more.
      using _reader = isOpen
        ? await Deno.open(path, { read: true, write: true })
        : undefined;
      for (const way of ways) {
        const writer = new AsyncFileWriter(path);
        void writer.writeBytes(new Uint8Array(200_000));
        const result = way(writer).catch((error) => error);
        await new Promise((resolve) => setTimeout(resolve, 20));
        await writer.abort(reason);
        assertStrictEquals(await result, reason);
      }
    }
    // The writes under way fail for want of a reader, before there is another one.
    await until(() => openFiles(path) === 0);
    const writer = new AsyncFileWriter(path, { signal: controller.signal });
    void writer.write("text");
    const closed = writer.close().catch((error) => error);
    controller.abort(reason);
    assertStrictEquals(await closed, reason);
    // What still waits for the FIFO comes to its end, and is closed.
    const reader = await Deno.open(path, { read: true, write: true });
    await until(() => openFiles(path) === 1);
    reader.close();
  },
  { ignore: Deno.build.os !== "linux" },
);
