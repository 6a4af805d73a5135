/**
 * CPU work on other threads, under the same runner as everything else: the checksums of a tree's
 * files, and keys derived from passwords, while this thread stays free for others.
 *
 *     deno run --allow-read worker_hashing.ts <directory>
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import {
  asyncReadFile,
  asyncRun,
  AsyncRunner,
  TaskPriority,
  walkAsync,
} from "../mod.ts";

const hashing = import.meta.resolve("./worker_hashing/hash.ts");

/** The SHA-256 of every file below `directory`, by path, in the order of their paths. */
export async function hashTree(
  runner: AsyncRunner,
  directory: string,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  // What is read waits here for a thread: no more than 16 files are in memory.
  return await walkAsync(directory, { sort: true, signal })
    .map(async ({ path }) => {
      const bytes = await asyncReadFile(path, { as: "bytes", signal });
      const digest = await runner.offload<string>(hashing, "sha256", [bytes], {
        transfer: [bytes.buffer], // moved to the other thread, not copied
        signal,
        name: `sha256 ${path}`,
      });
      return { path, digest };
    }, { concurrency: 16, signal })
    .toMap(({ path }) => path, ({ digest }) => digest);
}

/** A key for a password. Somebody waits for it: it goes before all hashing. */
export function deriveKey(
  runner: AsyncRunner,
  password: string,
  salt: string,
): Promise<string> {
  return runner.offload<string>(hashing, "deriveKey", [password, salt], {
    priority: TaskPriority.HIGH,
    timeout: 10_000, // a thread that computes for longer is ended
  });
}

/** How often this thread came to a timer of 1 ms while `work` ran. */
export async function countTicks(
  work: () => Promise<unknown>,
): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  try {
    await work();
    return ticks;
  } finally {
    clearInterval(timer);
  }
}

async function main(signal: AbortSignal): Promise<void> {
  const directory = Deno.args[0] ?? fromFileUrl(new URL("..", import.meta.url));
  await using runner = new AsyncRunner({ maxWorkers: 8, signal });
  const ticks = await countTicks(async () => {
    const [digests, key] = await Promise.all([
      hashTree(runner, directory, signal),
      deriveKey(runner, "correct horse battery staple", "salt"),
    ]);
    console.log(`${digests.size} files hashed; the key is ${key.slice(0, 8)}…`);
  });
  console.log(`Meanwhile a timer of this thread fired ${ticks} times`);
}

if (import.meta.main) {
  if (Deno.args.length > 1 || Deno.args[0]?.startsWith("-")) {
    console.error("Usage: worker_hashing.ts [directory]");
    Deno.exit(2);
  }
  await asyncRun(({ signal }) => main(signal)).catch((error) => {
    console.error(String(error));
    Deno.exitCode = 1;
  });
}
