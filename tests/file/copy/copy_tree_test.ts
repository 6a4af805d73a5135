import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { asyncCopyFile, CopyError, walkAsync } from "../../../file/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

async function contents(root: string): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for await (
    const { path, isFile, isSymlink, isDirectory } of walkAsync(root, {
      includeDirs: true,
      sort: true,
    })
  ) {
    const name = path.slice(root.length + 1);
    if (isFile) result[name] = await Deno.readTextFile(path);
    else if (isSymlink) result[name] = `-> ${await Deno.readLink(path)}`;
    else if (isDirectory) result[name] = "/";
  }
  return result;
}

testWith(
  ["read", "write"],
  "asyncCopyFile() copies a directory with files, links and empty directories",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/a", "1");
    await directory.write("from/b/c", "2");
    await Deno.mkdir(directory.path("from/empty"));
    await Deno.symlink("a", directory.path("from/link"));
    await Deno.symlink("b", directory.path("from/directory-link"));
    await Deno.symlink("nowhere", directory.path("from/dangling"));
    const result = await asyncCopyFile(
      directory.path("from"),
      directory.path("to"),
    );
    assertEquals(result, { bytes: 2, files: 2 });
    assertEquals(
      await contents(directory.path("to")),
      await contents(directory.path("from")),
    );
    // Again, over what is there.
    await Deno.writeTextFile(directory.path("from/a"), "new");
    await asyncCopyFile(`${directory.path("from")}/`, directory.path("to"));
    assertEquals(
      await contents(directory.path("to")),
      await contents(directory.path("from")),
    );
    await assertRejects(
      () =>
        asyncCopyFile(directory.path("from"), directory.path("to"), {
          overwrite: false,
        }),
      Deno.errors.AlreadyExists,
    );
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() copies the current directory",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("from/b/c", "2");
    const before = Deno.cwd();
    Deno.chdir(directory.path("from"));
    try {
      await asyncCopyFile(".", "../to");
    } finally {
      Deno.chdir(before);
    }
    assertEquals(await contents(directory.path("to")), {
      "b": "/",
      "b/c": "2",
    });
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() keeps the times and bits of directories, written last and bottom up",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("from/a/b/file", "1");
    const time = new Date("2001-02-03T04:05:06.789Z");
    for (const name of ["from/a/b/file", "from/a/b", "from/a", "from"]) {
      await Deno.utime(directory.path(name), time, time);
    }
    await Deno.chmod(directory.path("from/a"), 0o500);
    await Deno.chmod(directory.path("from/a/b"), 0o750);
    await asyncCopyFile(directory.path("from"), directory.path("to"), {
      preserveTimestamps: true,
    });
    for (const name of ["to/a/b/file", "to/a/b", "to/a", "to"]) {
      assertEquals((await Deno.stat(directory.path(name))).mtime, time, name);
    }
    const bits = async (name: string) =>
      ((await Deno.stat(directory.path(name))).mode ?? 0) & 0o777;
    assertEquals(await bits("to/a"), 0o500);
    assertEquals(await bits("to/a/b"), 0o750);
    for (const name of ["from/a", "to/a"]) {
      await Deno.chmod(
        directory.path(name),
        0o700,
      );
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() refuses to copy a directory into itself before anything is written",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/a", "1");
    await directory.write("fromage/b", "1");
    await Deno.symlink("from", directory.path("link"));
    for (
      const to of [
        "from/child",
        "from/no/such/child",
        "link/child",
        "from",
        "link",
      ]
    ) {
      const error = await assertRejects(
        () => asyncCopyFile(directory.path("from"), directory.path(to)),
        CopyError,
      );
      assert(["into-itself", "same-file"].includes(error.reason));
    }
    assertEquals(await contents(directory.path("from")), { a: "1" });
    // The same beginning of the name is no matter.
    await asyncCopyFile(directory.path("from"), directory.path("fromage/sub"));
    await directory.write("file", "x");
    const error = await assertRejects(
      () => asyncCopyFile(directory.path("from"), directory.path("file")),
      CopyError,
    );
    assertEquals(error.reason, "directory-over-file");
  },
  onUnix,
);

testWith(
  ["read", "write", "run"],
  "asyncCopyFile() refuses FIFOs and sockets in a directory",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/a", "1");
    await new Deno.Command("mkfifo", { args: [directory.path("from/fifo")] })
      .output();
    const socket = Deno.listen({
      transport: "unix",
      path: directory.path("from/socket"),
    });
    try {
      const error = await assertRejects(
        () => asyncCopyFile(directory.path("from"), directory.path("to")),
        CopyError,
      );
      assertEquals(error.reason, "special-file");
    } finally {
      socket.close();
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() writes nothing behind links in the destination of a tree",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("from/file", "new");
    await directory.write("from/sub/deep", "new");
    await Deno.symlink("file", directory.path("from/link"));
    await directory.write("outside/file", "old");
    await directory.write("outside/deep", "old");
    const outside = directory.path("outside");
    const [from, to] = [directory.path("from"), directory.path("to")];
    const untouched = { "file": "old", "deep": "old" };

    // A link that the caller names is followed.
    await Deno.mkdir(directory.path("real"));
    await Deno.symlink("real", to);
    await Deno.mkdir(`${to}/sub`);
    await Deno.symlink(`${outside}/file`, `${to}/file`);
    await Deno.symlink(`${outside}/missing`, `${to}/sub/deep`);
    await Deno.symlink(outside, `${to}/link`);
    const refused = await asyncCopyFile(from, to, { overwrite: false })
      .catch((error) => error);
    assertInstanceOf(refused, Deno.errors.AlreadyExists);
    const { signal } = new AbortController();
    await using _ = nothingLeft({ signals: [signal] });
    for (const options of [{}, { signal }, { onProgress() {} }]) {
      await Deno.remove(`${to}/file`);
      await Deno.symlink(`${outside}/file`, `${to}/file`);
      await asyncCopyFile(from, to, options);
      assertEquals((await Deno.lstat(`${to}/file`)).isFile, true);
      assertEquals((await Deno.lstat(`${to}/sub/deep`)).isFile, true);
      assertEquals(await Deno.readLink(`${to}/link`), "file");
      assertEquals(await contents(outside), untouched);
    }

    for (const target of [outside, `${outside}/missing`]) {
      await Deno.remove(`${to}/sub`, { recursive: true });
      await Deno.symlink(target, `${to}/sub`);
      const error = await asyncCopyFile(from, to).catch((error) => error);
      assertInstanceOf(error, CopyError);
      assertEquals(error.reason, "directory-over-link");
      assertEquals(error.destination, `${to}/sub`);
      assertEquals(await contents(outside), untouched);
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "asyncCopyFile() copies a tree of 10,000 files through a runner, within its limit",
  async () => {
    await using directory = await TemporaryDirectory.createForMany();
    for (let i = 0; i < 100; i++) {
      const path = directory.path(`from/d${i % 10}/e${i}`);
      Deno.mkdirSync(path, { recursive: true });
      for (let j = 0; j < 100; j++) {
        Deno.writeTextFileSync(
          `${path}/${j}`,
          `${i} ${j}`,
        );
      }
    }
    await using runner = new AsyncRunner({ maxWorkers: 4 });
    let most = 0;
    let last = 0;
    const result = await asyncCopyFile(
      directory.path("from"),
      directory.path("to"),
      {
        runner,
        concurrency: 16,
        onProgress: ({ files }) => {
          most = Math.max(most, runner.stats().running);
          last = files;
        },
      },
    );
    assertEquals(result.files, 10_000);
    assertEquals(last, 10_000);
    assert(most > 1 && most <= 4, `${most} at once`);
    assertEquals(
      (await collect(walkAsync(directory.path("to")))).length,
      10_000,
    );
    assertEquals(
      await Deno.readTextFile(directory.path("to/d7/e57/31")),
      "57 31",
    );
  },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() leaves no half file when the copy of a tree is cancelled",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (let i = 0; i < 50; i++) {
      await directory.write(`from/d${i % 5}/f${i}`, "x".repeat(50_000));
    }
    const reason = { why: "test" };
    for (const files of [0, 1, 10, 40]) {
      const controller = new AbortController();
      await using _ = nothingLeft({ signals: [controller.signal] });
      const error = await asyncCopyFile(
        directory.path("from"),
        directory.path("to"),
        {
          signal: controller.signal,
          onProgress: (progress) => {
            if (progress.files >= files) controller.abort(reason);
          },
        },
      ).catch((error) => error);
      assertStrictEquals(error, reason);
      for (
        const content of Object.values(await contents(directory.path("to")))
      ) {
        assert(content === "/" || content.length === 50_000);
      }
    }
  },
);

testWith(
  ["read", "write", "run"],
  "asyncCopyFile() loses no file in silence whose name is not valid UTF-8",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/good", "1");
    const { success } = await new Deno.Command("sh", {
      args: [
        "-c",
        `touch "$(printf 'bad\\377')" && mkdir "$(printf 'dir\\377')"`,
      ],
      cwd: directory.path("from"),
    }).output();
    assert(success);
    const from = directory.path("from");
    const error = await assertRejects(
      () => asyncCopyFile(from, directory.path("to")),
      CopyError,
      "UTF-8",
    );
    assertEquals(error.reason, "unreadable-name");
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "asyncCopyFile() fails with what an asynchronous onProgress rejects with",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("from/a", "1");
    const failure = new Error("mine");
    const options = { onProgress: () => Promise.reject(failure) };
    for (const name of ["from", "from/a"]) {
      const error = await asyncCopyFile(
        directory.path(name),
        directory.path("to"),
        options,
      ).catch((error) => error);
      assertStrictEquals(error, failure);
      await Deno.remove(directory.path("to"), { recursive: true }).catch(
        () => {},
      );
    }
  },
);
