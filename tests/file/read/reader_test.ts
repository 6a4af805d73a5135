import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  AsyncFileReader,
  AsyncFileWriter,
  asyncReadFile,
  FileTruncatedError,
  InvalidEncodingError,
  LineTooLongError,
} from "../../../file/mod.ts";
import { DisposedError } from "../../../_internal/errors.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const encoder = new TextEncoder();
const bytesOf = (text: string) => encoder.encode(text);

testWith(
  ["read", "write"],
  "AsyncFileReader.stream() never splits a character when a chunk ends within it, at every offset",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const text = "a\u00e9\u20ac\u{1f600}\u{10ffff}z\u4f60\u597d";
    const path = await directory.write("text", text);
    for (let chunkSize = 1; chunkSize <= 12; chunkSize++) {
      await using reader = new AsyncFileReader(path, { chunkSize });
      const chunks = await collect(reader.stream());
      assertEquals(chunks.join(""), text);
      for (const chunk of chunks) assert(!chunk.includes("\ufffd"));
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() splits at LF and CRLF whatever the chunk size",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const text = "one\r\ntwo\n\r\nthree\rstill\n\nlast\r";
    const path = await directory.write("lines", text);
    for (let chunkSize = 1; chunkSize <= text.length + 1; chunkSize++) {
      await using reader = new AsyncFileReader(path, { chunkSize });
      assertEquals(await collect(reader.streamLines()), [
        "one",
        "two",
        "",
        "three\rstill",
        "",
        "last\r",
      ]);
      assertEquals(await collect(reader.streamLines({ allowCR: true })), [
        "one",
        "two",
        "",
        "three",
        "still",
        "",
        "last",
      ]);
      const kept = await collect(reader.streamLines({ keepEnds: true }));
      assertEquals(kept.join(""), text);
      assertEquals(kept.length, 6);
      const keptCR = await collect(
        reader.streamLines({ keepEnds: true, allowCR: true }),
      );
      assertEquals(keptCR.join(""), text);
      assertEquals(keptCR.length, 7);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() yields the same lines as a split of the whole text",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("random");
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom(
            "a",
            "\u00e9",
            "\u{1f600}",
            "\n",
            "\r",
            "\r\n",
            "\u2028",
            "\f",
          ),
          {
            maxLength: 40,
          },
        ),
        fc.integer({ min: 1, max: 9 }),
        async (parts, chunkSize) => {
          const text = parts.join("");
          await Deno.writeTextFile(path, text);
          await using reader = new AsyncFileReader(path, { chunkSize });
          const plain = text.split(/\r?\n/);
          if (plain.at(-1) === "") plain.pop();
          assertEquals(await collect(reader.streamLines()), plain);
          const withCR = text.split(/\r\n|\n|\r/);
          if (withCR.at(-1) === "") withCR.pop();
          assertEquals(
            await collect(reader.streamLines({ allowCR: true })),
            withCR,
          );
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() yields nothing when the file is empty",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using reader = new AsyncFileReader(await directory.write("empty"));
    assertEquals(await collect(reader.streamLines()), []);
    assertEquals(await collect(reader.stream()), []);
    assertEquals(await collect(reader.streamBytes()), []);
    assertEquals(await reader.read(), "");
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() treats U+2028, U+0085 and form feed as ordinary characters",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const line = "a\u2028b\u2029c\u0085d\fe\vf";
    await using reader = new AsyncFileReader(
      await directory.write("separators", `${line}\n`),
    );
    assertEquals(await collect(reader.streamLines()), [line]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader leaves out a byte order mark at byte 0 and nowhere else",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("bom", "\ufeffone\n\ufefftwo");
    for (const chunkSize of [1, 2, 4, 5, 1_000]) {
      await using reader = new AsyncFileReader(path, { chunkSize });
      assertEquals(await collect(reader.streamLines()), ["one", "\ufefftwo"]);
      assertEquals(await reader.read(), "one\n\ufefftwo");
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() decodes UTF-16 before it splits",
  async () => {
    await using directory = await TemporaryDirectory.create();
    // U+0A0D and U+0D0A hold the bytes of LF and CR.
    const text = "\ufeff\u0a0d\u0d0a one\r\ntwo\u{1f600}\n";
    const bytes = new Uint8Array(text.length * 2);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < text.length; i++) {
      view.setUint16(i * 2, text.charCodeAt(i), true);
    }
    const path = await directory.write("utf16", bytes);
    for (let chunkSize = 1; chunkSize < 8; chunkSize++) {
      await using reader = new AsyncFileReader(path, {
        chunkSize,
        encoding: "utf-16le",
      });
      assertEquals(await collect(reader.streamLines()), [
        "\u0a0d\u0d0a one",
        "two\u{1f600}",
      ]);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader reads the other encodings that TextDecoder knows",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write(
      "sjis",
      new Uint8Array([0x93, 0xfa, 0x96, 0x7b, 10]),
    );
    await using reader = new AsyncFileReader(path, {
      encoding: "shift_jis",
      chunkSize: 1,
    });
    assertEquals(await collect(reader.streamLines()), ["\u65e5\u672c"]);
    assertThrows(
      () => new AsyncFileReader(path, { encoding: "klingon" }),
      RangeError,
      'got "klingon"',
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader replaces invalid UTF-8 by U+FFFD when fatal is not set",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using reader = new AsyncFileReader(
      await directory.write(
        "invalid",
        new Uint8Array([97, 0xff, 98, 10, 0xc3]),
      ),
    );
    assertEquals(await collect(reader.streamLines()), ["a\ufffdb", "\ufffd"]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader tells the byte offset of what is invalid when fatal is set",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const cases: [string, number[], number][] = [
      ["utf-8", [97, 0xff, 98], 1],
      ["utf-8", [0xe2, 0x82, 0xac, 0xe2, 0x82], 3],
      ["utf-8", [97, 0xe2, 0x82, 97], 1],
      ["utf-8", [97, 98, 0xed, 0xa0, 0x80], 2],
      ["utf-8", [0xf0, 0x9f, 0x98, 0x80, 0xc0, 0x80], 4],
      ["utf-8", [97, 98, 99, 0xf0, 0x9f, 0x98], 3],
      ["utf-16le", [97, 0, 0, 0xdc, 98, 0], 2],
      ["shift_jis", [0x93, 0xfa, 0x82, 0x0a, 97], 2],
    ];
    for (const [encoding, bytes, offset] of cases) {
      const path = await directory.write("invalid", new Uint8Array(bytes));
      for (const chunkSize of [1, 2, 3, 5, 100]) {
        await using reader = new AsyncFileReader(path, {
          chunkSize,
          encoding,
          fatal: true,
        });
        const error = await assertRejects(
          () => collect(reader.stream()),
          InvalidEncodingError,
        );
        assertEquals(error.byteOffset, offset, `${encoding} ${bytes}`);
        assert(error.message.includes(path));
      }
      const error = await assertRejects(
        () => asyncReadFile(path, { encoding, fatal: true }),
        InvalidEncodingError,
      );
      assertEquals(error.byteOffset, offset);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader finds the same first invalid byte as a decoder that is fed byte by byte",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("random");
    const unit = fc.constantFrom(
      [97],
      [0xc3, 0xa9],
      [0xe2, 0x82, 0xac],
      [0xf0, 0x9f, 0x98, 0x80],
      [0x80],
      [0xc3],
      [0xe2, 0x82],
      [0xf0, 0x9f],
      [0xff],
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(unit, { maxLength: 12 }),
        fc.integer({ min: 1, max: 7 }),
        async (units, chunkSize) => {
          const bytes = new Uint8Array(units.flat());
          await Deno.writeFile(path, bytes);
          let expected = -1;
          const decoder = new TextDecoder("utf-8", {
            fatal: true,
            ignoreBOM: true,
          });
          let start = 0;
          try {
            for (let i = 0; i < bytes.length; i++) {
              if (
                decoder.decode(bytes.subarray(i, i + 1), { stream: true }) !==
                  ""
              ) {
                start = i + 1;
              }
            }
            decoder.decode();
          } catch {
            expected = start;
          }
          await using reader = new AsyncFileReader(path, {
            chunkSize,
            fatal: true,
          });
          const got = await collect(reader.stream()).then(
            () => -1,
            (error) => error.byteOffset,
          );
          assertEquals(got, expected);
        },
      ),
      { numRuns: 200, seed: 2 },
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamBytes() reads a range, and nothing beyond the end",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const short = new AsyncFileReader(await directory.write("short", "12345"));
    for (const start of [5, 6, 1e15, Number.MAX_SAFE_INTEGER]) {
      assertEquals(await collect(short.streamBytes({ start })), []);
    }
    await using reader = new AsyncFileReader(
      await directory.write("digits", "0123456789"),
      { chunkSize: 3 },
    );
    const read = async (start?: number, end?: number) =>
      new TextDecoder().decode(
        new Uint8Array(
          (await collect(reader.streamBytes({ start, end }))).flatMap((
            chunk,
          ) => [...chunk]),
        ),
      );
    assertEquals(await read(), "0123456789");
    assertEquals(await read(2, 7), "23456");
    assertEquals(await read(8, 100), "89");
    assertEquals(await read(10), "");
    assertEquals(await read(1_000_000), "");
    assertEquals(await read(4, 4), "");
    assertThrows(() => reader.streamBytes({ start: -1 }), RangeError, "start");
    assertThrows(
      () => reader.streamBytes({ start: 5, end: 4 }),
      RangeError,
      "end",
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamBytes() never overwrites a chunk that it has handed out",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const content = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251);
    await using reader = new AsyncFileReader(
      await directory.write("bytes", content),
      { chunkSize: 100 },
    );
    const chunks = await collect(reader.streamBytes());
    assertEquals(
      new Uint8Array(chunks.flatMap((chunk) => [...chunk])),
      content,
    );
    assertEquals(
      new Set(chunks.map((chunk) => chunk.buffer)).size,
      chunks.length,
    );
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader fails when the file is truncated while it is read",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("shrinking", "x".repeat(100_000));
    await using reader = new AsyncFileReader(path, { chunkSize: 1_000 });
    const error = await assertRejects(async () => {
      for await (const _ of reader.streamBytes()) {
        await Deno.truncate(path, 1_500);
      }
    }, FileTruncatedError);
    assertEquals(error.expected, 100_000);
    assert(error.message.includes(path));
  },
);

testWith(
  ["read"],
  "AsyncFileReader reads a file of /proc, whose size is 0, to its end",
  async () => {
    await using reader = new AsyncFileReader("/proc/self/status");
    assert(
      (await collect(reader.streamLines())).some((line) =>
        line.startsWith("VmRSS")
      ),
    );
    assert((await reader.read()).includes("VmRSS"));
    assert((await asyncReadFile("/proc/self/status")).includes("VmRSS"));
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "AsyncFileReader closes the file when a loop is left early",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("lines", "line\n".repeat(100_000));
    await using reader = new AsyncFileReader(path, { chunkSize: 1_000 });
    for (
      const stream of [
        reader.streamLines(),
        reader.streamBytes(),
        reader.stream(),
      ]
    ) {
      for await (const _ of stream) {
        if (Deno.build.os === "linux") assert(openFiles(path) > 0);
        break;
      }
      assertEquals(openFiles(path), 0);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader rejects with the signal's own reason before, during and after",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    const late = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal, late.signal] });
    const path = await directory.write("lines", "line\n".repeat(100_000));
    const reason = { why: "test" };
    const before = new AsyncFileReader(path, {
      signal: AbortSignal.abort(reason),
    });
    assertStrictEquals(await before.read().catch((error) => error), reason);
    assertStrictEquals(
      await collect(before.streamLines()).catch((error) => error),
      reason,
    );
    await using reader = new AsyncFileReader(path, {
      chunkSize: 100,
      signal: controller.signal,
    });
    let count = 0;
    const during = await (async () => {
      for await (const _ of reader.streamBytes()) {
        if (++count === 3) controller.abort(reason);
      }
    })().catch((error) => error);
    assertStrictEquals(during, reason);
    assertEquals(count, 3);
    const text = await asyncReadFile(path, { signal: late.signal });
    late.abort(reason);
    assertEquals(text.length, 500_000);
  },
);

testWith(
  ["read", "write", "run"],
  "AsyncFileReader waits neither for the other end of a FIFO nor for its silence when it is aborted or disposed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    const reason = { why: "test" };
    // Nobody writes.
    const disposed = new AsyncFileReader(path);
    const opening = collect(disposed.stream()).catch((error) => error);
    const early = new AbortController();
    const aborted = collect(
      new AsyncFileReader(path, { signal: early.signal }).stream(),
    ).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await disposed[Symbol.asyncDispose]();
    early.abort(reason);
    assertStrictEquals(await aborted, reason);
    // Somebody opens it, writes a line and is silent.
    using writer = await Deno.open(path, { read: true, write: true });
    assertInstanceOf(await opening, DisposedError);
    await using reader = new AsyncFileReader(path, {
      signal: controller.signal,
    });
    await writer.write(new TextEncoder().encode("line\n"));
    const lines = reader.streamLines()[Symbol.asyncIterator]();
    assertEquals((await lines.next()).value, "line");
    const next = lines.next().catch((error) => error);
    controller.abort(reason);
    assertStrictEquals(await next, reason);
    const silent = new AsyncFileReader(path);
    const waiting = collect(silent.streamBytes()).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await silent[Symbol.asyncDispose]();
    assertInstanceOf(await waiting, DisposedError);
    // So that the openings and the reads under way end, each with its file.
    writer.close();
    await until(() => openFiles(path) === 0);
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "AsyncFileReader ends its streams when it is disposed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("lines", "line\n".repeat(100_000));
    const reader = new AsyncFileReader(path, { chunkSize: 100 });
    await assertRejects(async () => {
      for await (const _ of reader.streamBytes()) {
        await reader[Symbol.asyncDispose]();
      }
    }, DisposedError);
    await reader[Symbol.asyncDispose]();
    assertThrows(() => reader.streamLines(), DisposedError, path);
    await assertRejects(() => reader.read(), DisposedError);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() fails with the line's number when a line is too long, and delivers those before it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (const chunkSize of [1, 4, 1_000]) {
      await using reader = new AsyncFileReader(
        await directory.write("lines", "12345\r\n1\n123456\n1\n"),
        { chunkSize },
      );
      const lines: string[] = [];
      const error = await assertRejects(async () => {
        for await (const line of reader.streamLines({ maxLineLength: 5 })) {
          lines.push(line);
        }
      }, LineTooLongError);
      assertEquals(lines, ["12345", "1"]);
      assertEquals(error.line, 3);
    }
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader names the path when it is missing or a directory",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const missing = new AsyncFileReader(directory.path("missing"));
    await assertRejects(
      () => missing.read(),
      Deno.errors.NotFound,
      missing.path,
    );
    await assertRejects(
      () => collect(missing.streamLines()),
      Deno.errors.NotFound,
      missing.path,
    );
    const wrong = new AsyncFileReader(directory.root);
    await assertRejects(
      () => wrong.read(),
      Deno.errors.IsADirectory,
      directory.root,
    );
    await assertRejects(
      () => collect(wrong.streamBytes()),
      Deno.errors.IsADirectory,
      directory.root,
    );
  },
);

Deno.test("AsyncFileReader refuses paths and options that make no sense", () => {
  assertThrows(
    () => new AsyncFileReader(""),
    TypeError,
    "path must not be empty",
  );
  assertThrows(() => new AsyncFileReader("a\0b"), TypeError, "NUL");
  assertThrows(
    () => new AsyncFileReader(new URL("https://example.com/x")),
    TypeError,
    "file: URL",
  );
  assertThrows(
    () => new AsyncFileReader(1 as unknown as string),
    TypeError,
    "path must be a path",
  );
  assertThrows(
    () => new AsyncFileReader("a", { chunkSize: 0 }),
    RangeError,
    "chunkSize must be a positive integer, got 0",
  );
  assertThrows(
    () => new AsyncFileReader("a").streamLines({ maxLineLength: 0 }),
    RangeError,
    "maxLineLength",
  );
});

testWith(["read", "write"], "AsyncFileReader takes a file: URL", async () => {
  await using directory = await TemporaryDirectory.create();
  const path = await directory.write("with space", "content");
  await using reader = new AsyncFileReader(
    new URL(`file://${encodeURI(path)}`),
  );
  assertEquals(await reader.read(), "content");
  assertEquals(await asyncReadFile(path, { as: "bytes" }), bytesOf("content"));
});

testWith(
  ["read", "write"],
  "AsyncFileReader's stream can be run again, and several at once",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using reader = new AsyncFileReader(
      await directory.write("a", "1\n2\n3\n"),
    );
    const lines = reader.streamLines();
    const [first, second] = await Promise.all([collect(lines), collect(lines)]);
    assertEquals(first, ["1", "2", "3"]);
    assertEquals(second, first);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader's lock waits for a writer's, and can be given up by a signal",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = await directory.write("a", "old\n");
    await using writer = new AsyncFileWriter(path, {
      mode: "a",
      lock: "exclusive",
    });
    await writer.flush();
    const reason = new Error("too long");
    await using impatient = new AsyncFileReader(path, {
      lock: "shared",
      signal: controller.signal,
    });
    const giving = collect(impatient.streamLines()).catch((error) => error);
    setTimeout(() => controller.abort(reason), 20);
    assertStrictEquals(await giving, reason);
    await using patient = new AsyncFileReader(path, { lock: "shared" });
    const waiting = Promise.all([patient.read(), patient.read()]);
    await writer.write("new\n");
    await writer.close();
    assertEquals(await waiting, ["old\nnew\n", "old\nnew\n"]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader gives up its waiting for a lock when it is disposed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("file", "content");
    using held = await Deno.open(path, { read: true, write: true });
    await held.lock(true);
    const reader = new AsyncFileReader(path, { lock: "shared" });
    const lines = assertRejects(
      () => collect(reader.streamLines()),
      DisposedError,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    await reader[Symbol.asyncDispose]();
    await lines;
  },
);

testWith(
  ["read", "write", "run"],
  "AsyncFileReader's streams can be left while they are read, and nothing is said of it on disposal",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("values", "[1]\n".repeat(100_000));
    const fifo = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    const told: unknown[] = [];
    const { error } = console;
    console.error = (...values) => void told.push(values);
    try {
      for (const file of [path, fifo]) {
        for (
          const method of [
            "stream",
            "streamBytes",
            "streamLines",
            "streamJson",
          ] as const
        ) {
          const reader = new AsyncFileReader(file);
          const iterator = reader[method]()[Symbol.asyncIterator]();
          const next = iterator.next();
          await iterator.return?.();
          await reader[Symbol.asyncDispose]();
          assertEquals((await next).done, true);
        }
      }
      // Somebody else has the lock.
      using other = await Deno.open(path, { write: true });
      await other.lock(true);
      const reader = new AsyncFileReader(path, { lock: "shared" });
      const iterator = reader.streamLines()[Symbol.asyncIterator]();
      const next = iterator.next();
      await iterator.return?.();
      await reader[Symbol.asyncDispose]();
      assertEquals((await next).done, true);
    } finally {
      console.error = error;
    }
    assertEquals(told, []);
    // The openings of the FIFO, which nobody can give up, come to an end.
    using _writer = await Deno.open(fifo, { read: true, write: true });
    await until(() => openFiles(path) === 0 && openFiles(fifo) === 1);
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write", "run"],
  "AsyncFileReader.streamBytes() can be given up while it looks for the start of a range in a silent FIFO",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _left = nothingLeft({ signals: [controller.signal] });
    const path = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    using writer = await Deno.open(path, { read: true, write: true });
    await writer.write(bytesOf("0123456"));
    const reader = new AsyncFileReader(path);
    const range = { start: 3, end: 7 };
    // Takes all there is.
    assertEquals(
      await reader.streamBytes(range).collect(),
      [bytesOf("3456")],
    );
    // Not the descriptors tell that both read: each read has one of its own from its beginning on,
    // so that their number on the way depends on the moment of the look.
    let reads = 0;
    const { read } = Deno.FsFile.prototype;
    using _ = {
      [Symbol.dispose]: () => void (Deno.FsFile.prototype.read = read),
    };
    Deno.FsFile.prototype.read = function (buffer) {
      reads++;
      return read.call(this, buffer);
    };
    const reason = { why: "test" };
    const { signal } = controller;
    const waiting = collect(
      new AsyncFileReader(path, { signal }).streamBytes(range),
    ).catch((error) => error);
    const disposed = collect(reader.streamBytes(range)).catch((error) => error);
    await until(() => reads === 2);
    controller.abort(reason);
    await reader[Symbol.asyncDispose]();
    assertStrictEquals(await waiting, reason);
    assertInstanceOf(await disposed, DisposedError);
    writer.close();
    await until(() => openFiles(path) === 0);
  },
  { ignore: Deno.build.os !== "linux" },
);
