/**
 * The tasks of the demo: counting the words of a source file, and hashing one.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { asyncReadFile } from "@specify/async-core";
import { type DefinedTask, defineTask } from "@specify/async-distributed";

/** What a task found, and which process found it. */
export interface Found {
  /** The process. */
  worker: number;
  /** Size of the file in characters. */
  size: number;
  /** Words, or a digest. */
  result: number | string;
}

/** Counts the words of a file. */
export const countWords: DefinedTask<{ path: string }, Found> = defineTask(
  "count-words",
  async ({ path }: { path: string }, { signal }) => {
    const text = await asyncReadFile(path, { signal });
    // So that the demo lasts long enough to watch a worker die.
    await pause(5, signal);
    const words = text.match(/\w+/g)?.length ?? 0;
    return { worker: Deno.pid, size: text.length, result: words };
  },
);

/** Hashes a file. */
export const hash: DefinedTask<{ path: string }, Found> = defineTask(
  "hash",
  async ({ path }: { path: string }, { signal }) => {
    const text = await asyncReadFile(path, { signal });
    await pause(5, signal);
    return {
      worker: Deno.pid,
      size: text.length,
      result: createHash("sha256").update(text).digest("hex"),
    };
  },
);

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", abort, { once: true });
  });
}
