import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  asyncReadFile,
  asyncWriteFile,
  DurabilityError,
} from "../../../file/mod.ts";
import { basename } from "@std/path/basename";
import { syncDirectory, syncParent } from "../../../file/write/durable.ts";
import {
  isTemporaryName,
  sweepTemporary,
  temporaryPathFor,
} from "../../../file/write/temporary.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const onUnix = { ignore: Deno.build.os === "windows" };
const modeOf = async (path: string) =>
  ((await Deno.stat(path)).mode ?? 0) & 0o7777;

testWith(
  ["read", "write"],
  "asyncWriteFile() writes text, bytes, iterables and streams",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("a");
    for (const atomic of [false, true]) {
      await asyncWriteFile(path, "t\u00e9xt", { atomic });
      assertEquals(await asyncReadFile(path), "t\u00e9xt");
      await asyncWriteFile(path, Uint8Array.of(1, 2), { atomic });
      assertEquals(
        await asyncReadFile(path, { as: "bytes" }),
        Uint8Array.of(1, 2),
      );
      await asyncWriteFile(path, ["a", Uint8Array.of(98)], { atomic });
      assertEquals(await asyncReadFile(path), "ab");
      await asyncWriteFile(path, new Blob(["stream"]).stream(), { atomic });
      assertEquals(await asyncReadFile(path), "stream");
      await asyncWriteFile(path, "", { atomic });
      assertEquals(await asyncReadFile(path), "");
    }
    await asyncWriteFile(path, "1", { mode: "a", fsync: true });
    await asyncWriteFile(path, ["2"], { mode: "a" });
    assertEquals(await asyncReadFile(path), "12");
    await assertRejects(
      () => asyncWriteFile(path, 1 as unknown as string),
      TypeError,
      "content",
    );
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() with mode x refuses what exists",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old");
    await Deno.symlink("nowhere", directory.path("dangling"));
    for (const atomic of [false, true]) {
      for (const taken of [path, directory.path("dangling")]) {
        await assertRejects(
          () => asyncWriteFile(taken, "new", { mode: "x", atomic }),
          Deno.errors.AlreadyExists,
          taken,
        );
      }
      await asyncWriteFile(directory.path(`${atomic}`), "new", {
        mode: "x",
        atomic,
      });
    }
    assertEquals(await directory.names(), ["a", "dangling", "false", "true"]);
    assertEquals(await asyncReadFile(path), "old");
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() leaves the last call's content whole when atomic calls overlap",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("a");
    for (const fsync of [false, true]) {
      for (let round = 0; round < 20; round++) {
        await Promise.all(
          Array.from(
            { length: 8 },
            (_, i) =>
              asyncWriteFile(path, `${i}`.repeat(i === 7 ? 10 : 200_000), {
                atomic: true,
                fsync,
              }),
          ),
        );
        assertEquals(await asyncReadFile(path), "7777777777");
      }
    }
    assertEquals(await directory.names(), ["a"]);
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() leaves the last call's content when one call goes through a link",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const target = await directory.write("target", "old");
    const link = directory.path("link");
    await Deno.symlink("target", link);
    const options = { atomic: true, fsync: false };
    for (const [first, last] of [[link, target], [target, link]] as const) {
      for (let round = 0; round < 20; round++) {
        await Promise.all([
          asyncWriteFile(first, "first".repeat(40_000), options),
          asyncWriteFile(last, "last", options),
        ]);
        assertEquals(await Deno.readTextFile(target), "last");
      }
    }
    assertEquals(await directory.names(), ["link", "target"]);
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() and AsyncFileWriter leave one whole file when workers of one process replace it at once",
  async () => {
    await using directory = await TemporaryDirectory.createForMany();
    await using _ = nothingLeft();
    const path = await directory.write("file", "o".repeat(50_000));
    const module = new URL(
      "../../support/atomic_writer_worker.ts",
      import.meta.url,
    );
    const workers = ["a", "b", "c"].map((letter) => {
      const worker = new Worker(module, { type: "module" });
      const done = new Promise((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = (event) => reject(new Error(event.message));
      });
      worker.postMessage({ path, letter, times: 20 });
      return { worker, done };
    });
    try {
      const done = Promise.all(workers.map(({ done }) => done));
      for (let isDone = false; !isDone;) {
        const content = await Deno.readTextFile(path);
        assert(content === (content[0] as string).repeat(50_000));
        isDone = await Promise.race([
          done.then(() => true),
          new Promise<false>((resolve) => setTimeout(resolve, 1, false)),
        ]);
      }
    } finally {
      for (const { worker } of workers) worker.terminate();
    }
    assertEquals(await directory.names(), ["file"]);
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() keeps the mode of the file that it replaces",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const mode of [0o444, 0o600, 0o755, 0o666, 0o2755]) {
      const path = await directory.write("a", "old");
      await Deno.chmod(path, mode);
      await asyncWriteFile(path, "new", { atomic: true });
      assertEquals(await modeOf(path), mode);
      assertEquals(await asyncReadFile(path), "new");
      await Deno.remove(path);
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() gives the mode that is asked for, whatever the umask",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const umask = Deno.umask(0o077);
    try {
      const path = directory.path("a");
      await asyncWriteFile(path, "new", { atomic: true, permissions: 0o664 });
      assertEquals(await modeOf(path), 0o664);
      await asyncWriteFile(path, "newer", { atomic: true });
      assertEquals(await modeOf(path), 0o664);
      await asyncWriteFile(directory.path("b"), "new", { atomic: true });
      assertEquals(await modeOf(directory.path("b")), 0o600);
    } finally {
      Deno.umask(umask);
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() keeps a symbolic link and replaces what it points at, dangling or not",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("sub/target", "old");
    await Deno.symlink("sub/target", directory.path("link"));
    await Deno.symlink("link", directory.path("link-to-link"));
    await Deno.symlink("sub/made", directory.path("dangling"));
    await asyncWriteFile(directory.path("link-to-link"), "new", {
      atomic: true,
    });
    await asyncWriteFile(directory.path("dangling"), "made", { atomic: true });
    assertEquals(await Deno.readLink(directory.path("link")), "sub/target");
    assertEquals(await Deno.readLink(directory.path("dangling")), "sub/made");
    assertEquals(await asyncReadFile(directory.path("sub/target")), "new");
    assertEquals(await asyncReadFile(directory.path("sub/made")), "made");
    await Deno.symlink("loop", directory.path("loop"));
    await assertRejects(
      () => asyncWriteFile(directory.path("loop"), "x", { atomic: true }),
      Deno.errors.FilesystemLoop,
    );
  },
  onUnix,
);

testWith(
  ["read", "write", "run"],
  "asyncWriteFile() with atomic replaces no FIFO and no device",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    await assertRejects(
      () => asyncWriteFile(path, "x", { atomic: true }),
      Deno.errors.NotSupported,
      path,
    );
    assertEquals((await Deno.lstat(path)).isFifo, true);
    assertEquals(await directory.names(), ["fifo"]);
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() leaves the old content to another hard link",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("a", "old");
    await Deno.link(path, directory.path("twin"));
    await asyncWriteFile(path, "new", { atomic: true });
    assertEquals(await asyncReadFile(directory.path("twin")), "old");
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() leaves the old file and no litter when it is aborted",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("a", "old");
    const reason = { why: "test" };
    for (const delay of [0, 0, 1, 1, 2, 3]) {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const writing = asyncWriteFile(path, "x".repeat(4_000_000), {
        atomic: true,
        signal: controller.signal,
      }).then(() => undefined, (error) => error);
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
      controller.abort(reason);
      const outcome = await writing;
      if (outcome === undefined) await Deno.writeTextFile(path, "old");
      else assertStrictEquals(outcome, reason);
      assertEquals(await asyncReadFile(path), "old");
      assertEquals(await directory.names(), ["a"]);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() rejects at once when it is aborted while its content is silent",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("a", "old");
    const reason = { why: "test" };
    for (const atomic of [true, false]) {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const content = {
        async *[Symbol.asyncIterator]() {
          yield "new";
          controller.abort(reason);
          await new Promise(() => {});
        },
      };
      const error = await asyncWriteFile(path, content, {
        atomic,
        signal: controller.signal,
      }).catch((error) => error);
      assertStrictEquals(error, reason);
      if (atomic) assertEquals(await Deno.readTextFile(path), "old");
      assertEquals(await directory.names(), ["a"]);
    }
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() refuses content that yields neither text nor bytes, and leaves the old file",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("a", "old");
    for (const content of [[5], new Uint16Array([5])]) {
      await assertRejects(
        () =>
          asyncWriteFile(path, content as unknown as string[], {
            atomic: true,
          }),
        TypeError,
        "what content yields must be a string or a Uint8Array, got 5",
      );
    }
    assertEquals(await Deno.readTextFile(path), "old");
    assertEquals(await directory.names(), ["a"]);
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() rejects when the device is full",
  async () => {
    await using _ = nothingLeft();
    await assertRejects(
      () => asyncWriteFile("/dev/full", "x"),
      Error,
      "No space left on device",
    );
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "syncParent() says that the file is in place when only the directory's fsync fails",
  async () => {
    await using _ = nothingLeft();
    const cause = new Error("I/O error");
    const error = await syncParent(
      "some/file",
      () => Promise.resolve({ sync: () => Promise.reject(cause), close() {} }),
    )
      .catch((error) => error);
    assertInstanceOf(error, DurabilityError);
    assertStrictEquals(error.cause, cause);
    assert(error.message.includes("some/file was replaced"));
    await Promise.resolve();
  },
  onUnix,
);

Deno.test("syncDirectory() shares one fsync among all who come while another runs", async () => {
  let syncs = 0;
  const gate = Promise.withResolvers<void>();
  const open = () =>
    Promise.resolve({
      async sync() {
        syncs++;
        await gate.promise;
      },
      close() {},
    });
  const calls = Array.from({ length: 10 }, () => syncDirectory("x", open));
  gate.resolve();
  await Promise.all(calls);
  assertEquals(syncs, 2);
  await syncDirectory("x", open);
  assertEquals(syncs, 3);
});

testWith(
  ["read", "write"],
  "temporaryPathFor() is in the target's directory, unique, and not too long",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const names = new Set(
      Array.from({ length: 100 }, () => temporaryPathFor(directory.path("a"))),
    );
    assertEquals(names.size, 100);
    for (const name of names) assert(name.startsWith(`${directory.root}/.a.`));
    const long = "\u4f60".repeat(85);
    await asyncWriteFile(directory.path(long), "x", { atomic: true });
    assertEquals(await directory.names(), [long]);
    const name = basename(temporaryPathFor(long));
    assert(
      isTemporaryName(name) && new TextEncoder().encode(name).length <= 255,
    );
  },
);

testWith(
  ["read", "write"],
  "sweepTemporary() removes what a dead writer left, and nothing else",
  async () => {
    await using directory = await TemporaryDirectory.create();
    // No process has this id: the largest possible is 2^22.
    const dead = await directory.write(".a.4194305-0123456789ab-1.tmp", "half");
    await directory.write("mine.tmp", "x");
    await directory.write(".b.tmp", "x");
    // Another worker of this process, which holds its lock.
    const live = await directory.write(
      `.a.${Deno.pid}-0123456789ab-1.tmp`,
      "x",
    );
    using file = await Deno.open(live, { write: true });
    await file.lock(true);
    await sweepTemporary(directory.root);
    const names = await directory.names();
    assert(!names.includes(dead.slice(directory.root.length + 1)));
    assertEquals(names.length, 3);
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncWriteFile() with atomic names the path that was asked for when it fails",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const missing = directory.path("missing/file");
    for (const fsync of [true, false]) {
      await assertRejects(
        () => asyncWriteFile(missing, "x", { atomic: true, fsync }),
        Deno.errors.NotFound,
        `write '${missing}'`,
      );
    }
  },
);

testWith(
  ["read", "write"],
  "asyncWriteFile() clears away the litter of a name with a line feed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    // Linux has no process with such an id.
    await directory.write(".a\nb.999999999-0123456789ab-1.tmp", "half");
    await asyncWriteFile(directory.path("a\nb"), "whole", { atomic: true });
    const names = [...Deno.readDirSync(directory.root)].map(({ name }) => name);
    assertEquals(names, ["a\nb"]);
  },
  { ignore: Deno.build.os === "windows" },
);
