import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { asyncFileExists, asyncMkdir } from "../../file/mod.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";
import { testWith } from "../support/permissions.ts";

testWith(
  ["read", "write"],
  "asyncFileExists() tells files, directories and nothing apart",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const file = await directory.write("file");
    assert(await asyncFileExists(file));
    assert(await asyncFileExists(new URL(`file://${file}`)));
    assert(await asyncFileExists(file, { type: "file" }));
    assert(!await asyncFileExists(file, { type: "directory" }));
    assert(await asyncFileExists(directory.root, { type: "directory" }));
    assert(!await asyncFileExists(directory.path("none")));
    assert(!await asyncFileExists(`${file}/below`));
    await assertRejects(
      () => asyncFileExists(file, { type: "link" as "file" }),
      RangeError,
      "type",
    );
    await assertRejects(() => asyncFileExists(""), TypeError, "path");
  },
);

testWith(
  ["read", "write"],
  "asyncFileExists() is false for a dangling link, true when links are not followed",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const link = directory.path("link");
    await Deno.symlink("nowhere", link);
    assert(!await asyncFileExists(link));
    assert(await asyncFileExists(link, { followSymlinks: false }));
  },
  { ignore: Deno.build.os === "windows" },
);

testWith(
  ["read", "write"],
  "asyncFileExists() rejects when it may not look, rather than saying false",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const link = directory.path("loop");
    await Deno.symlink("loop", link);
    // Root may look everywhere; that the system refuses for another reason shows the same.
    await assertRejects(
      () => asyncFileExists(link),
      Deno.errors.FilesystemLoop,
    );
    const reason = { why: "test" };
    assertStrictEquals(
      await asyncFileExists(link, { signal: AbortSignal.abort(reason) }).catch((
        error,
      ) => error),
      reason,
    );
  },
  { ignore: Deno.build.os === "windows" },
);

Deno.test({
  name: "asyncFileExists() rejects without the permission to read",
  permissions: { read: false },
  fn: async () => {
    await using _ = nothingLeft();
    await assertRejects(
      () => asyncFileExists("/etc/hosts"),
      Deno.errors.NotCapable,
    );
  },
});

testWith(
  ["read", "write", "run"],
  "asyncFileExists() rejects when the system denies the permission",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    await directory.write("closed/file");
    await Deno.chmod(directory.root, 0o755);
    await Deno.chmod(directory.path("closed"), 0o000);
    // Permissions do not stop root, so another user has to look, who may read neither our modules
    // nor our cache: it gets copies.
    await using modules = await TemporaryDirectory.create();
    await Deno.chmod(modules.root, 0o777);
    for (const name of await modulesBehind("file/exists.ts")) {
      await modules.write(
        name,
        await Deno.readTextFile(new URL(`../../${name}`, import.meta.url)),
      );
    }
    const main = await modules.write(
      "main.ts",
      `import { asyncFileExists } from "./file/exists.ts";
     console.log(await asyncFileExists(Deno.args[0]).catch((error) => error.name));`,
    );
    const map = await modules.write(
      "map.json",
      JSON.stringify({
        imports: {
          "@std/path/constants":
            "data:text/javascript,export const SEPARATOR = '/'",
          "@std/path/from-file-url":
            "data:text/javascript,export const fromFileUrl = String",
        },
      }),
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--no-config",
        "--no-lock",
        `--import-map=${map}`,
        "--allow-all",
        main,
        directory.path("closed/file"),
      ],
      cwd: modules.root,
      uid: 65534,
      gid: 65534,
      env: { DENO_DIR: modules.path("cache"), HOME: modules.root },
    }).output();
    const text = new TextDecoder().decode(stdout).trim();
    assertEquals(text, "PermissionDenied", new TextDecoder().decode(stderr));
  },
  { ignore: !isRoot() },
);

testWith(
  ["read", "write"],
  "asyncMkdir() makes parents when asked, and takes a directory that exists",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("a/b/c");
    await assertRejects(() => asyncMkdir(path), Deno.errors.NotFound, path);
    await asyncMkdir(path, { parents: true });
    await asyncMkdir(path, { parents: true });
    assert(await asyncFileExists(path, { type: "directory" }));
    await assertRejects(
      () => asyncMkdir(path),
      Deno.errors.AlreadyExists,
      path,
    );
    await Promise.all(
      Array.from(
        { length: 20 },
        () => asyncMkdir(`${path}/d/e/f`, { parents: true }),
      ),
    );
  },
);

testWith(
  ["read", "write"],
  "asyncMkdir() fails when a file is in the way",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const file = await directory.write("file");
    await assertRejects(
      () => asyncMkdir(file, { parents: true }),
      Deno.errors.AlreadyExists,
      file,
    );
    await assertRejects(
      () => asyncMkdir(`${file}/a/b`, { parents: true }),
      Deno.errors.NotADirectory,
      file,
    );
    await assertRejects(
      () => asyncMkdir(directory.path("x"), { permissions: -1 }),
      RangeError,
      "permissions",
    );
    await assertRejects(() => asyncMkdir(""), TypeError, "path");
  },
);

function isRoot(): boolean {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" && Deno.uid() === 0;
}

/** The modules of ours that `name` imports, and itself, from the root of the repository. */
async function modulesBehind(name: string): Promise<string[]> {
  const root = new URL("../../", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", name],
    cwd: root,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string }[];
  };
  return modules.map(({ specifier }) => specifier)
    .filter((specifier) =>
      specifier.startsWith(root.href) &&
      !specifier.startsWith(`${root.href}tools/`)
    )
    .map((specifier) => specifier.slice(root.href.length));
}
