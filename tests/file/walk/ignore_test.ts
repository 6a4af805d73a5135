import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { walkAsync } from "../../../file/mod.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

async function git(directory: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", {
    args: [
      "-c",
      "core.quotePath=off",
      "-c",
      "core.excludesFile=/dev/null",
      "-c",
      "safe.directory=*",
      ...args,
    ],
    cwd: directory,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** What git does not ignore. */
async function seenByGit(directory: string): Promise<string[]> {
  const text = await git(
    directory,
    "ls-files",
    "-z",
    "--others",
    "--exclude-standard",
  );
  return text.split("\0").filter((path) => path !== "").sort();
}

async function seenByWalk(directory: string): Promise<string[]> {
  const entries = await collect(
    walkAsync(directory, { ignoreFiles: ".gitignore" }),
  );
  return entries.map(({ path }) => path.slice(directory.length + 1)).sort();
}

const ignore = Deno.build.os === "windows";
const needed: Deno.PermissionName[] = ["read", "write", "run", "env"];

const FILES = [
  "a.ts",
  "a.js",
  "build/x.js",
  "build/keep.js",
  "src/build/y.js",
  "src/a.ts",
  "src/deep/a.ts",
  "src/deep/er/a.log",
  "logs/a.log",
  "logs/important.log",
  "foo",
  "foo bar",
  "foo ",
  "#hash",
  "!bang",
  "[x]",
  "a]b",
  "back\\slash",
  "doc/a/b/c.md",
  "doc/c.md",
  "x-y",
  "xzy",
  "\u00e9t\u00e9",
  "\u{1f600}",
  ".hidden/file",
  "node_modules/m/index.js",
  "packages/p/node_modules/m/index.js",
];

testWith(
  needed,
  "walkAsync() with ignoreFiles finds what git does not ignore: nested, negated, anchored, escaped",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await git(directory.root, "init", "-q");
    for (const file of FILES) await directory.write(file);
    const cases: Record<string, string>[] = [
      { "": "*.log\n!important.log\n" },
      { "": "/build\n" },
      { "": "build/\n" },
      { "": "build\n!build/keep.js\n" },
      { "": "build/*\n!build/keep.js\n" },
      { "": "src/**/a.ts\n" },
      { "": "**/a.ts\n" },
      { "": "doc/**\n" },
      { "": "doc/**/c.md\n" },
      { "": "doc/**/\n" },
      { "": "/*.ts\n" },
      { "": "foo \n" },
      { "": "foo\\ \n" },
      { "": "foo\\  \n" },
      { "": "\\#hash\n# comment\n" },
      { "": "\\!bang\n" },
      { "": "\\[x\\]\n" },
      { "": "[[]x]\n" },
      { "": "a[]]b\n" },
      { "": "x[!a-y]y\n" },
      { "": "x[^-]y\n" },
      { "": "x[+--]y\n" },
      { "": "[[:alpha:]][[:punct:]]*\n" },
      { "": "[[:nonsense:]]*\n" },
      { "": "[unclosed\n" },
      { "": "trailing\\\n" },
      { "": "back\\\\slash\n" },
      { "": "node_modules\n" },
      { "": "/node_modules\n" },
      { "": "*\n!*/\n!*.ts\n" },
      { "": "*\n" },
      { "": "?oo\n" },
      { "": "???\n" },
      { "": "\u00e9*\n" },
      { "": "[\u{1f600}]\n" },
      { "": "foo\r\n*.ts\r\n" },
      { "": "\ufefffoo\n" },
      { "": "a**s\n" },
      { "": "src/**deep\n" },
      { "": "/\n" },
      { "": "//\n" },
      { "": "!\n" },
      { "": "\n\n   \n" },
      { "": "*.log\n", "logs/": "!a.log\n" },
      { "": "*.ts\n", "src/": "!a.ts\n/deep/a.ts\n", "src/deep/": "!/a.ts\n" },
      { "src/": "build\n/a.ts\n" },
      { "src/": "src/a.ts\n*/a.ts\n" },
      { "": "src/\n", "src/": "!a.ts\n" },
      { "": ".*\n!.gitignore\n" },
    ];
    for (const contents of cases) {
      for (const [prefix, content] of Object.entries(contents)) {
        await directory.write(`${prefix}.gitignore`, content);
      }
      assertEquals(
        await seenByWalk(directory.root),
        await seenByGit(directory.root),
        JSON.stringify(contents),
      );
      for (const prefix of Object.keys(contents)) {
        await Deno.remove(directory.path(`${prefix}.gitignore`));
      }
    }
  },
  { ignore },
);

testWith(
  needed,
  "walkAsync() with ignoreFiles agrees with git about random rules",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await git(directory.root, "init", "-q");
    for (const a of ["a", "b", "ab"]) {
      for (const b of ["a", "b", "a.b"]) {
        for (const c of ["a", "ab", "b"]) {
          await directory.write(
            `${a}/${b}/${c}`,
          );
        }
      }
    }
    const piece = fc.constantFrom(
      "a",
      "b",
      "*",
      "**",
      "/",
      "?",
      "[ab]",
      "[!a]",
      ".",
      "!",
      "\\",
      " ",
    );
    const line = fc.array(piece, { minLength: 1, maxLength: 5 }).map((parts) =>
      parts.join("")
    );
    const file = fc.array(line, { minLength: 1, maxLength: 4 }).map((lines) =>
      lines.join("\n")
    );
    await fc.assert(
      fc.asyncProperty(file, fc.option(file), async (top, nested) => {
        await directory.write(".gitignore", top);
        await directory.write("a/.gitignore", nested ?? "");
        assertEquals(
          await seenByWalk(directory.root),
          await seenByGit(directory.root),
        );
      }),
      { numRuns: Number(Deno.env.get("IGNORE_RUNS") ?? 150), seed: 5 },
    );
  },
  { ignore },
);

testWith(
  ["read", "write"],
  "walkAsync() with ignoreFiles takes several names, the later deciding",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const file of ["a.log", "b.log", "c.txt"]) await directory.write(file);
    await directory.write(".one", "*.log\n");
    await directory.write(".two", "!b.log\n");
    const entries = await collect(
      walkAsync(directory.root, { ignoreFiles: [".one", ".two"], sort: true }),
    );
    assertEquals(entries.map(({ name }) => name), [
      ".one",
      ".two",
      "b.log",
      "c.txt",
    ]);
  },
);
