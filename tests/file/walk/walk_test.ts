import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { walkAsync, type WalkOptions } from "../../../file/mod.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";
import { stub } from "../../support/stub.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

async function found(root: string, options?: WalkOptions): Promise<string[]> {
  const entries = await collect(walkAsync(root, options));
  return entries.map(({ path }) => path.slice(root.length + 1)).sort();
}

async function tree(directory: TemporaryDirectory, ...paths: string[]) {
  for (const path of paths) await directory.write(path);
}

testWith(
  ["read", "write"],
  "walkAsync() finds every file, and directories when asked",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "a", "b/c", "b/d/e", "b/d/f");
    await Deno.mkdir(directory.path("empty"));
    assertEquals(await found(directory.root), ["a", "b/c", "b/d/e", "b/d/f"]);
    assertEquals(await found(directory.root, { includeDirs: true }), [
      "a",
      "b",
      "b/c",
      "b/d",
      "b/d/e",
      "b/d/f",
      "empty",
    ]);
    const [entry] = await collect(walkAsync(directory.root, { pattern: "a" }));
    assertEquals(entry, {
      path: directory.path("a"),
      name: "a",
      isFile: true,
      isDirectory: false,
      isSymlink: false,
    });
  },
);

testWith(
  ["read", "write"],
  "walkAsync() goes no deeper than maxDepth",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "a", "b/c", "b/d/e");
    assertEquals(await found(directory.root, { maxDepth: 0 }), []);
    assertEquals(await found(directory.root, { maxDepth: 1 }), ["a"]);
    assertEquals(await found(directory.root, { maxDepth: 2 }), ["a", "b/c"]);
  },
);

testWith(
  ["read", "write"],
  "walkAsync() selects by glob and by RegExp",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(
      directory,
      "a.ts",
      "b.js",
      "src/c.ts",
      "src/d.test.ts",
      "lib/src/e.ts",
    );
    const select = (options: WalkOptions) => found(directory.root, options);
    assertEquals(await select({ pattern: "*.ts" }), [
      "a.ts",
      "lib/src/e.ts",
      "src/c.ts",
      "src/d.test.ts",
    ]);
    assertEquals(await select({ pattern: "src/*.ts" }), [
      "src/c.ts",
      "src/d.test.ts",
    ]);
    assertEquals(await select({ pattern: "**/src/**" }), [
      "lib/src/e.ts",
      "src/c.ts",
      "src/d.test.ts",
    ]);
    assertEquals(await select({ pattern: ["b.*", "lib/**/*.ts"] }), [
      "b.js",
      "lib/src/e.ts",
    ]);
    assertEquals(await select({ match: /^src\/.*\.ts$/ }), [
      "src/c.ts",
      "src/d.test.ts",
    ]);
    // A RegExp that remembers where it stopped must not skip every other entry.
    assertEquals(await select({ match: /\.ts$/g }), [
      "a.ts",
      "lib/src/e.ts",
      "src/c.ts",
      "src/d.test.ts",
    ]);
    assertEquals(await select({ pattern: "*.ts", skip: "*.test.ts" }), [
      "a.ts",
      "lib/src/e.ts",
      "src/c.ts",
    ]);
    assertEquals(await select({ skip: ["src", /^b/] }), ["a.ts"]);
    assertThrows(() => walkAsync(".", { pattern: "" }), TypeError, "pattern");
    assertThrows(
      () => walkAsync(".", { skip: 1 as unknown as string }),
      TypeError,
      "skip",
    );
  },
);

testWith(
  ["read", "write"],
  "walkAsync() names symbolic links and follows them only when asked",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "real/file");
    await Deno.symlink("real", directory.path("directory-link"));
    await Deno.symlink("real/file", directory.path("file-link"));
    await Deno.symlink("nowhere", directory.path("dangling"));
    assertEquals(await found(directory.root), [
      "dangling",
      "directory-link",
      "file-link",
      "real/file",
    ]);
    assertEquals(await found(directory.root, { followSymlinks: true }), [
      "dangling",
      "directory-link/file",
      "file-link",
      "real/file",
    ]);
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "walkAsync() cuts loops of symbolic links",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "a/b/file", "c/file");
    await Deno.symlink("../..", directory.path("a/b/up"));
    await Deno.symlink(".", directory.path("a/self"));
    await Deno.symlink("../c", directory.path("a/to-c"));
    await Deno.symlink("../a", directory.path("c/to-a"));
    await Deno.symlink("loop", directory.path("loop"));
    const paths = await found(directory.root, { followSymlinks: true });
    assertEquals(paths, [
      "a/b/file",
      "a/to-c/file",
      "c/file",
      "c/to-a/b/file",
      "loop",
    ]);
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "walkAsync() treats a link that cannot be followed as onError says, and goes on beside it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await tree(directory, "a", "b");
    // No name may be that long, which only following it finds out.
    await Deno.symlink("x".repeat(300), directory.path("link"));
    for (const sort of [false, true]) {
      const options = { followSymlinks: true, sort };
      await assertRejects(
        () => found(directory.root, options),
        Error,
        directory.path("link"),
      );
      assertEquals(
        await found(directory.root, { ...options, onError: "skip" }),
        ["a", "b"],
      );
      const told: string[] = [];
      await found(directory.root, {
        ...options,
        onError: (_error, path) => void told.push(path),
      });
      assertEquals(told, [directory.path("link")]);
      const error = await found(directory.root, {
        ...options,
        onError: "collect",
      }).catch((error) => error);
      assertEquals(error.errors.length, 1);
    }
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "walkAsync() skips a directory that vanishes while it walks",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (let i = 0; i < 300; i++) await tree(directory, `d${i}/file`);
    let count = 0;
    for await (
      const _ of walkAsync(directory.root, {
        concurrency: 1,
        includeDirs: true,
      })
    ) {
      if (count++ === 0) {
        for (let i = 0; i < 300; i += 2) {
          await Deno.remove(directory.path(`d${i}`), { recursive: true });
        }
      }
    }
    assert(count >= 300);
  },
);

testWith(
  ["read", "write"],
  "walkAsync() fails when the root is missing or no directory",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const file = await directory.write("file");
    for (const onError of ["throw", "skip", "collect"] as const) {
      await assertRejects(
        () => found(directory.path("none"), { onError }),
        Deno.errors.NotFound,
        "none",
      );
      await assertRejects(
        () => found(file, { onError }),
        Deno.errors.NotADirectory,
        file,
      );
    }
  },
);

testWith(
  ["read", "write"],
  "walkAsync() treats a directory that cannot be read as onError says",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await tree(directory, "a/file", "b/file", "c/file");
    // Permissions do not stop root, as which tests may run: the system's answer is put in its place.
    const { readDir, readDirSync } = Deno;
    const denied = directory.path("b");
    const refuse = (path: string | URL) => {
      if (path === denied) {
        throw new Deno.errors.PermissionDenied(
          `Permission denied: readdir '${denied}'`,
        );
      }
    };
    Deno.readDir = (path) => {
      refuse(path);
      return readDir(path);
    };
    Deno.readDirSync = (path) => {
      refuse(path);
      return readDirSync(path);
    };
    try {
      await assertRejects(
        () => found(directory.root),
        Deno.errors.PermissionDenied,
        denied,
      );
      assertEquals(await found(directory.root, { onError: "skip" }), [
        "a/file",
        "c/file",
      ]);
      const paths: string[] = [];
      const error = await assertRejects(async () => {
        for await (
          const { path } of walkAsync(directory.root, { onError: "collect" })
        ) paths.push(path);
      }, AggregateError);
      assertEquals(paths.length, 2);
      assertEquals(error.errors.length, 1);
      const told: string[] = [];
      await found(directory.root, { onError: (_, path) => told.push(path) });
      assertEquals(told, [denied]);
    } finally {
      Deno.readDir = readDir;
      Deno.readDirSync = readDirSync;
    }
    assertThrows(
      () => walkAsync(".", { onError: "never" as "skip" }),
      TypeError,
      "onError",
    );
  },
);

testWith(
  ["read", "write"],
  "walkAsync() stops reading when a loop is left early",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (let i = 0; i < 100; i++) await tree(directory, `d${i}/file`);
    let begun = 0;
    let underWay = 0;
    using _readDir = stub(
      Deno,
      "readDir",
      (original) =>
        async function* (path) {
          begun++;
          underWay++;
          try {
            // So that some are under way when the loop is left.
            for (let turn = 0; turn < 3; turn++) await macrotask();
            yield* original(path);
          } finally {
            underWay--;
          }
        },
    );
    using _readDirSync = stub(Deno, "readDirSync", (original) => (path) => {
      begun++;
      return original(path);
    });
    // With links to follow it reads asynchronously, and so goes on while the loop works.
    const slowly = { followSymlinks: true, concurrency: 2 };
    for (
      const options of [
        {},
        { includeDirs: true },
        { sort: true },
        slowly,
        { ...slowly, includeDirs: true },
        { ...slowly, sort: true },
      ]
    ) {
      begun = 0;
      for await (const _ of walkAsync(directory.root, options)) break;
      const before = begun;
      if ("concurrency" in options) assert(begun < 20, `${begun} of 101 read`);
      assert(begun > 0);
      assertEquals(underWay, 0);
      for (let turn = 0; turn < 20; turn++) await macrotask();
      assertEquals([begun, underWay], [before, 0]);
    }
  },
);

testWith(
  ["read", "write"],
  "walkAsync() rejects with the signal's own reason",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    for (let i = 0; i < 100; i++) await tree(directory, `d${i}/file`);
    const reason = { why: "test" };
    assertStrictEquals(
      await found(directory.root, { signal: AbortSignal.abort(reason) }).catch((
        error,
      ) => error),
      reason,
    );
    const walk = found(directory.root, { signal: controller.signal });
    await Promise.resolve();
    controller.abort(reason);
    assertStrictEquals(await walk.catch((error) => error), reason);
  },
);

testWith(
  ["read", "write"],
  "walkAsync() takes '.', a trailing slash and a URL as the root",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "a/b");
    const paths = async (root: string | URL) =>
      (await collect(walkAsync(root))).map(({ path }) => path);
    assertEquals(await paths(`${directory.root}/`), [directory.path("a/b")]);
    assertEquals(await paths(new URL(`file://${directory.root}/`)), [
      directory.path("a/b"),
    ]);
    const before = Deno.cwd();
    Deno.chdir(directory.root);
    try {
      assertEquals(await paths("."), ["a/b"]);
    } finally {
      Deno.chdir(before);
    }
    assertThrows(() => walkAsync(""), TypeError, "root");
    assertThrows(
      () => walkAsync(".", { concurrency: 0 }),
      RangeError,
      "concurrency",
    );
    assertThrows(
      () => walkAsync(".", { maxDepth: -1 }),
      RangeError,
      "maxDepth",
    );
  },
);

testWith(
  ["read", "write"],
  "walkAsync() with sort yields the same order every time: names by code unit, content after its directory",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(
      directory,
      "b/2",
      "b/10",
      "B",
      "a",
      "c/x/1",
      "c/y",
      "b.txt",
      "\u00e9",
      "\u{1f600}",
    );
    for (const concurrency of [1, 2, 8]) {
      const entries = await collect(
        walkAsync(directory.root, {
          sort: true,
          includeDirs: true,
          concurrency,
        }),
      );
      assertEquals(
        entries.map(({ path }) => path.slice(directory.root.length + 1)),
        [
          "B",
          "a",
          "b",
          "b/10",
          "b/2",
          "b.txt",
          "c",
          "c/x",
          "c/x/1",
          "c/y",
          "\u00e9",
          "\u{1f600}",
        ],
      );
    }
  },
);

testWith(
  ["read", "write"],
  "walkAsync() with sort finds what it finds without",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (let i = 0; i < 40; i++) {
      for (let j = 0; j < i % 7; j++) {
        await tree(
          directory,
          `d${i % 5}/e${i}/f${j}`,
        );
      }
    }
    await Deno.symlink("d1", directory.path("link"));
    for (
      const options of [
        {},
        { includeDirs: true },
        { pattern: "f1" },
        { skip: "e1*" },
        { followSymlinks: true },
        { maxDepth: 2, includeDirs: true },
      ]
    ) {
      assertEquals(
        await found(directory.root, { ...options, sort: true }),
        await found(directory.root, options),
      );
    }
  },
  onUnix,
);

testWith(
  ["read", "write"],
  "walkAsync() with sort treats errors, aborts and early exits alike",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    for (let i = 0; i < 50; i++) await tree(directory, `d${i}/file`);
    const options = { sort: true };
    await assertRejects(
      () => found(directory.path("none"), options),
      Deno.errors.NotFound,
    );
    for await (const _ of walkAsync(directory.root, options)) break;
    const reason = { why: "test" };
    let count = 0;
    const error = await (async () => {
      for await (
        const _ of walkAsync(directory.root, {
          ...options,
          signal: controller.signal,
        })
      ) {
        if (++count === 1) {
          controller.abort(reason);
          // What vanishes meanwhile is no matter any more.
          await Deno.remove(directory.path("d9"), { recursive: true });
        }
      }
    })().catch((error) => error);
    assertStrictEquals(error, reason);
  },
);

testWith(
  ["read", "write", "run"],
  "walkAsync() goes on past a name that is no valid UTF-8",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await tree(directory, "good");
    const { success } = await new Deno.Command("sh", {
      args: ["-c", `touch "$(printf 'bad\\377name')"`],
      cwd: directory.root,
    }).output();
    assert(success);
    const paths = await found(directory.root);
    assert(paths.includes("good"));
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write"],
  "walkAsync() finds everything in large, small and nested directories, in bounded batches",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const expected: string[] = [];
    for (const place of ["large", "a/b/large"]) {
      Deno.mkdirSync(directory.path(place), { recursive: true });
      for (let i = 0; i < 4_000; i++) {
        const path = `${place}/a-name-that-makes-the-directory-large-${i}`;
        Deno.writeTextFileSync(directory.path(path), "");
        expected.push(path);
      }
      for (let i = 0; i < 50; i++) {
        const path = `${place}/sub${i}/only/directories`;
        Deno.mkdirSync(directory.path(path), { recursive: true });
      }
      await tree(directory, `${place}/sub7/only/file`);
      expected.push(`${place}/sub7/only/file`);
    }
    expected.sort();
    for (
      const options of [
        {},
        { sort: true },
        { concurrency: 1 },
        { followSymlinks: true },
      ]
    ) assertEquals(await found(directory.root, options), expected);
    let turns = 0;
    let time = 0;
    // Others get their turn while it walks; again should the machine have stood still at the end.
    for (let tries = 0; turns === 0 && (tries === 0 || time >= 30); tries++) {
      assert(tries < 5, `${turns} turns in ${time} ms`);
      const timer = setInterval(() => turns++, 0);
      const start = performance.now();
      for (let i = 0; i < 5; i++) await walkAsync(directory.root).drain();
      time = performance.now() - start;
      clearInterval(timer);
    }
  },
);

testWith(
  ["read", "write"],
  "walkAsync() waits for an asynchronous onError, and ends with what it rejects with",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await tree(directory, "a/file", "b/file", "c/file");
    const refusal = new Deno.errors.PermissionDenied("refused");
    const failure = new Error("mine");
    using _readDir = stub(Deno, "readDir", (original) => (path) => {
      if (String(path).endsWith("/b")) throw refusal;
      return original(path);
    });
    using _readDirSync = stub(Deno, "readDirSync", (original) => (path) => {
      if (String(path).endsWith("/b")) throw refusal;
      return original(path);
    });
    for (const sort of [false, true]) {
      let told: unknown;
      const onError = async (error: unknown) => {
        await macrotask();
        await macrotask();
        told = error;
      };
      const paths = await found(directory.root, { sort, onError });
      assertEquals(paths, ["a/file", "c/file"]);
      assertStrictEquals(told, refusal);
      const error = await found(directory.root, {
        sort,
        onError: async () => {
          await macrotask();
          throw failure;
        },
      }).catch((error) => error);
      assertStrictEquals(error, failure);
    }
  },
);
