import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  asyncCopyFile,
  CopyError,
  type CopyProgress,
} from "../../../file/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const onUnix = { ignore: Deno.build.os === "windows" };
const quiet = () => {};

testWith(
  ["read", "write"],
  "asyncCopyFile() copies content and permission bits, with and without progress",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const content = crypto.getRandomValues(new Uint8Array(60_000));
    const source = await directory.write("a", content);
    if (Deno.build.os !== "windows") await Deno.chmod(source, 0o750);
    for (const onProgress of [undefined, quiet]) {
      const destination = directory.path(`copy-${onProgress !== undefined}`);
      const result = await asyncCopyFile(source, destination, { onProgress });
      assertEquals(result, { bytes: 60_000, files: 1 });
      assertEquals(await Deno.readFile(destination), content);
      if (Deno.build.os !== "windows") {
        assertEquals(((await Deno.stat(destination)).mode ?? 0) & 0o777, 0o750);
      }
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() leaves no tail of a longer old file",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const source = await directory.write("a", "short");
    for (const onProgress of [undefined, quiet]) {
      const destination = await directory.write("b", "a much longer content");
      await asyncCopyFile(source, destination, { onProgress });
      assertEquals(await Deno.readTextFile(destination), "short");
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() copies empty files and files of exactly one piece",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const size of [0, 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1]) {
      const source = await directory.write("a", new Uint8Array(size).fill(7));
      const destination = directory.path("b");
      await asyncCopyFile(source, destination, { onProgress: quiet });
      assertEquals((await Deno.stat(destination)).size, size);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() tells its progress up to the whole",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const size = 10_000_000;
    const source = await directory.write("a", new Uint8Array(size));
    const told: CopyProgress[] = [];
    await asyncCopyFile(source, directory.path("b"), {
      onProgress: (progress) => told.push(progress),
    });
    assert(told.length >= 3);
    assertEquals(told.at(-1), {
      path: source,
      bytes: size,
      totalBytes: size,
      files: 1,
      totalFiles: 1,
    });
    // Only what is finished is a file more.
    assertEquals(told.filter(({ files }) => files === 1).length, 1);
    const empty: CopyProgress[] = [];
    await asyncCopyFile(await directory.write("e"), directory.path("f"), {
      onProgress: (progress) => empty.push(progress),
    });
    assertEquals(empty.map(({ bytes, files }) => [bytes, files]), [[0, 1]]);
    assertEquals(
      told.map(({ bytes }) => bytes),
      told.map(({ bytes }) => bytes).sort((a, b) => a - b),
    );
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() leaves what was there when it is cancelled",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const source = await directory.write("a", new Uint8Array(20_000_000));
    const old = await directory.write("b", "old");
    const reason = { why: "test" };
    for (const destination of [old, directory.path("c")]) {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const error = await asyncCopyFile(source, destination, {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      }).catch((error) => error);
      assertStrictEquals(error, reason);
    }
    assertEquals(await directory.names(), ["a", "b"]);
    assertEquals(await Deno.readTextFile(old), "old");
    assertStrictEquals(
      await asyncCopyFile(source, old, { signal: AbortSignal.abort(reason) })
        .catch((error) => error),
      reason,
    );
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() refuses a copy onto itself, by whatever name",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const source = await directory.write("a", "content");
    await Deno.symlink("a", directory.path("link"));
    await Deno.link(source, directory.path("twin"));
    for (const name of ["a", "link", "twin"]) {
      for (const onProgress of [undefined, quiet]) {
        const error = await assertRejects(
          () => asyncCopyFile(source, directory.path(name), { onProgress }),
          CopyError,
          source,
        );
        assertEquals(error.reason, "same-file");
      }
    }
    assertEquals(await Deno.readTextFile(source), "content");
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() refuses a directory as the destination of a file",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const source = await directory.write("a", "content");
    const error = await assertRejects(
      () => asyncCopyFile(source, directory.root),
      CopyError,
    );
    assertEquals(error.reason, "file-over-directory");
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() with overwrite false refuses what exists",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const source = await directory.write("a", "new");
    const old = await directory.write("b", "old");
    await assertRejects(
      () => asyncCopyFile(source, old, { overwrite: false }),
      Deno.errors.AlreadyExists,
      old,
    );
    await asyncCopyFile(source, directory.path("c"), { overwrite: false });
    assertEquals(await Deno.readTextFile(directory.path("c")), "new");
    assertEquals(await directory.names(), ["a", "b", "c"]);
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() follows a link at the source and keeps one at the destination",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("a", "content");
    await directory.write("target", "old");
    await Deno.symlink("a", directory.path("source-link"));
    await Deno.symlink("target", directory.path("link"));
    await Deno.symlink("made", directory.path("dangling"));
    for (const onProgress of [undefined, quiet]) {
      await asyncCopyFile(
        directory.path("source-link"),
        directory.path("link"),
        {
          onProgress,
        },
      );
      await asyncCopyFile(directory.path("a"), directory.path("dangling"), {
        onProgress,
      });
      assertEquals(
        await Deno.readTextFile(directory.path("target")),
        "content",
      );
      assertEquals(await Deno.readTextFile(directory.path("made")), "content");
      assert((await Deno.lstat(directory.path("link"))).isSymlink);
      await Deno.remove(directory.path("made"));
    }
  },
  onUnix,
);

testWith(
  ["read", "write", "run"],
  "asyncCopyFile() refuses FIFOs, and never hangs",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const fifo = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [fifo] }).output();
    const error = await assertRejects(
      () => asyncCopyFile(fifo, directory.path("b")),
      CopyError,
      "FIFO",
    );
    assertEquals(error.reason, "special-file");
    const file = await directory.write("file");
    const onto = await assertRejects(
      () => asyncCopyFile(file, fifo),
      CopyError,
    );
    assertEquals(onto.reason, "special-destination");
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() keeps holes where the system can",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const source = directory.path("a");
    {
      using file = await Deno.create(source);
      await file.write(new TextEncoder().encode("start"));
      await file.seek(30_000_000, Deno.SeekMode.Start);
      await file.write(new TextEncoder().encode("middle"));
      await file.truncate(50_000_000);
    }
    const { blocks, size } = await Deno.stat(source);
    for (const onProgress of [undefined, quiet]) {
      const destination = directory.path("b");
      await asyncCopyFile(source, destination, { onProgress });
      const copy = await Deno.stat(destination);
      assertEquals(copy.size, size);
      assert((copy.blocks ?? 0) <= (blocks ?? 0) + 512);
      const bytes = await Deno.readFile(destination);
      assertEquals(
        new TextDecoder().decode(bytes.subarray(30_000_000, 30_000_006)),
        "middle",
      );
      assertEquals(bytes[49_999_999], 0);
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() keeps the times when asked",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const source = await directory.write("a", "content");
    const time = new Date("2001-02-03T04:05:06.789Z");
    await Deno.utime(source, time, time);
    for (const onProgress of [undefined, quiet]) {
      const destination = directory.path("b");
      await asyncCopyFile(source, destination, {
        onProgress,
        preserveTimestamps: true,
      });
      assertEquals((await Deno.stat(destination)).mtime, time);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() counts what it copied when a file grows meanwhile or says that it is empty",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("a", new Uint8Array(9_000_000));
    let isGrown = false;
    const told: CopyProgress[] = [];
    const onProgress = (progress: CopyProgress) => {
      told.push(progress);
      if (isGrown) return;
      isGrown = true;
      Deno.writeFileSync(path, new Uint8Array(1_000), { append: true });
    };
    const copied = await asyncCopyFile(path, directory.path("b"), {
      onProgress,
    });
    const { size } = await Deno.stat(directory.path("b"));
    assertEquals(copied.bytes, size);
    assertEquals(told.at(-1)?.bytes, size);
    assertEquals(told.at(-1)?.totalBytes, size);
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() names what is missing",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const nowhere = directory.path("no/such/copy");
    const there = await directory.write("a", "x");
    for (const options of [{}, { overwrite: false }, { onProgress() {} }]) {
      await assertRejects(
        () => asyncCopyFile(there, nowhere, options),
        Deno.errors.NotFound,
        nowhere,
      );
    }
    await assertRejects(
      () => asyncCopyFile(directory.path("none"), directory.path("b")),
      Deno.errors.NotFound,
      "none",
    );
    const source = await directory.write("a", "content");
    await assertRejects(
      () => asyncCopyFile(source, directory.path("no/b")),
      Deno.errors.NotFound,
      "no/b",
    );
    await assertRejects(() => asyncCopyFile("", "b"), TypeError, "source");
    await assertRejects(() => asyncCopyFile("a", ""), TypeError, "destination");
    assertEquals(await directory.names(), ["a"]);
  },
);
