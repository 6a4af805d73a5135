/**
 * Walking 100,000 empty files: a wide tree (1,000 directories) and a deep one (11,110). Each in a process
 * of its own once, for the memory that it takes, and then beside each other for the time.
 *
 * @module
 */
import { walk } from "@std/fs";
import { fdir } from "fdir";
import { glob } from "tinyglobby";
import { walkAsync } from "../file/mod.ts";
import { benchDirectory, command } from "./file_support.ts";

/** By name: walks `root` and resolves to the number of files. */
export const walkers: Record<string, (root: string) => Promise<number>> = {
  "walkAsync": (root) => walkAsync(root).count(),
  "walkAsync, for await": async (root) => {
    let count = 0;
    for await (const _ of walkAsync(root)) count++;
    return count;
  },
  "walkAsync, sorted": (root) => walkAsync(root, { sort: true }).count(),
  "walkAsync, asynchronous reads": (root) =>
    // Ignore files keep it from the synchronous reads: what network drives get.
    walkAsync(root, {
      ignoreFiles: ["no such file"],
    }).count(),
  // Neither patterns nor errors nor links nor a turn for others: what Deno's own call costs.
  "bare Deno.readDirSync": (root) => Promise.resolve(bareEntries(root)),
  "@std/fs walk": async (root) => {
    let count = 0;
    for await (const _ of walk(root, { includeDirs: false })) count++;
    return count;
  },
  "fdir": async (root) =>
    (await new fdir().withFullPaths().crawl(root).withPromise()).length,
  "tinyglobby": async (root) =>
    (await glob("**", { cwd: root, dot: true })).length,
};

function bareEntries(directory: string): number {
  const files: { path: string; name: string }[] = [];
  let count = 0;
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) count += bareEntries(path);
    else files.push({ path, name });
  }
  return count + files.length;
}

if (import.meta.main && Deno.args.length === 2) {
  // A child: walks once and tells the most memory that it ever had.
  const [name = "", root = ""] = Deno.args;
  await walkers[name]?.(root);
  const status = Deno.readTextFileSync("/proc/self/status");
  console.log(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? "0");
} else {
  const directory = benchDirectory();
  const trees = {
    wide: makeTree(`${directory}/wide`, 1_000, 100, (i) => `${i}`),
    deep: makeTree(
      `${directory}/deep`,
      10_000,
      10,
      (i) => `${i % 10}/${(i / 10 | 0) % 10}/${(i / 100 | 0) % 10}/${i}`,
    ),
  };
  if (Deno.build.os === "linux") {
    const empty = await peak("nothing", trees.wide);
    for (
      const name of [
        "walkAsync",
        "walkAsync, sorted",
        "@std/fs walk",
        "fdir",
        "tinyglobby",
      ]
    ) {
      for (const [tree, root] of Object.entries(trees)) {
        const memory = (await peak(name, root) - empty) / 1_024;
        console.log(
          `${name}, ${tree} tree: ${
            memory.toFixed(1)
          } MiB at most, beside an empty process`,
        );
      }
    }
  }
  for (const [tree, root] of Object.entries(trees)) {
    const group = `walk of 100,000 files, ${tree} tree`;
    for (const [name, run] of Object.entries(walkers)) {
      Deno.bench(name, {
        group,
        n: 3,
        warmup: 1,
        baseline: name === "walkAsync",
      }, async () => {
        await run(root);
      });
    }
    Deno.bench("find", { group, n: 3, warmup: 1 }, async () => {
      await command("find", root, "-type", "f");
    });
  }
}

function makeTree(
  root: string,
  directories: number,
  files: number,
  path: (i: number) => string,
): string {
  for (let i = 0; i < directories; i++) {
    const directory = `${root}/${path(i)}`;
    Deno.mkdirSync(directory, { recursive: true });
    for (let j = 0; j < files; j++) {
      Deno.writeFileSync(`${directory}/${j}.txt`, new Uint8Array(0));
    }
  }
  return root;
}

/** The most resident memory of a process that walks once, in KiB. */
async function peak(name: string, root: string): Promise<number> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--quiet",
      import.meta.filename as string,
      name,
      root,
    ],
  }).output();
  return Number(new TextDecoder().decode(stdout));
}
