/**
 * Advisory locks that can be given up. `FsFile.lock()` waits in the system, where neither a signal
 * nor a close reaches it, so this asks again and again, seldom when it takes long.
 *
 * @module
 */
import { sleep } from "../_internal/sleep.ts";
import { type Check, word } from "../_internal/validate.ts";

/** `"shared"` beside other shared ones, `"exclusive"` alone. */
export type FileLock = "shared" | "exclusive";

const MIN_WAIT = 1;
const MAX_WAIT = 50;

/** Checks a `lock` option. */
export const fileLock: Check = word("shared", "exclusive");

/** Locks `file`; rejects with `signal.reason` as soon as the signal aborts. Closing it unlocks. */
export async function lockFile(
  file: Deno.FsFile,
  lock: FileLock,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  for (let wait = MIN_WAIT;; wait = Math.min(wait * 2, MAX_WAIT)) {
    if (await file.tryLock(lock === "exclusive")) return;
    await sleep(wait, signal);
  }
}
