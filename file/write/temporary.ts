/**
 * Names of temporary files, and the removal of those whose writer was killed.
 *
 * A temporary file is `.<name>.<process id>-<token>-<number>.tmp` beside its target. The token is
 * random for each module instance, so every worker has its own, and a process that got the id of
 * a dead one is not taken for it. A writer holds an exclusive lock on the file while it writes, which the
 * system gives up when the process dies, however it dies.
 *
 * @module
 */
import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { now } from "../../_internal/clock.ts";
import { joinPath, statQuietly } from "../paths.ts";

const PATTERN = /^\..+\.(\d+)-([0-9a-f]{12})-\d+\.tmp$/s;
/** File systems allow 255 bytes; what a name costs beyond its target's is at most 48. */
const MAX_BASE = 200;

let token: string | undefined;
let count = 0;

function ownToken(): string {
  return token ??= crypto.randomUUID().replaceAll("-", "").slice(0, 12);
}

/** A path that no other writer, worker or process uses, in the directory of `target`. */
export function temporaryPathFor(target: string): string {
  const base = basename(target);
  let shown = base;
  if (base.length > MAX_BASE / 4) {
    const bytes = new TextEncoder().encode(base);
    if (bytes.byteLength > MAX_BASE) {
      shown = new TextDecoder().decode(bytes.subarray(0, MAX_BASE - 3));
    }
  }
  return joinPath(
    dirname(target),
    `.${shown}.${Deno.pid}-${ownToken()}-${++count}.tmp`,
  );
}

/** True when `name` is that of a temporary file of this module, anybody's. */
export function isTemporaryName(name: string): boolean {
  return PATTERN.test(name);
}

interface Sweep {
  running: Promise<void> | undefined;
  /** When the next one is due, on the `performance.now()` line. */
  due: number;
}

const sweeps = new Map<string, Sweep>();
/** At most one sweep of a directory in this time, and at most a fiftieth of the time spent on it. */
const SWEEP_INTERVAL = 1_000;
const SWEEP_SHARE = 50;
const MAX_SWEPT = 1_000;

/**
 * Removes the temporary files in `directory` whose writers are dead. A first write in a directory
 * does this, later ones now and then. Resolves when it is done; never rejects: litter that cannot
 * be removed is no reason for a write to fail. `undefined`: there is nothing to do or to wait for.
 */
export function sweepTemporary(directory: string): Promise<void> | undefined {
  const time = now();
  const last = sweeps.get(directory);
  if (last !== undefined && time < last.due) return last.running;
  if (last === undefined && sweeps.size >= MAX_SWEPT) {
    // The oldest entry: a Map keeps the order of insertion.
    const [oldest = ""] = sweeps.keys();
    sweeps.delete(oldest);
  }
  const sweep: Sweep = { running: undefined, due: Infinity };
  sweep.running = removeStale(directory).catch(() => {}).then(() => {
    const end = now();
    sweep.due = end + Math.max(SWEEP_INTERVAL, (end - time) * SWEEP_SHARE);
    sweep.running = undefined;
  });
  sweeps.set(directory, sweep);
  return sweep.running;
}

async function removeStale(directory: string): Promise<void> {
  const stale: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (!isFile || !name.endsWith(".tmp")) continue;
    const parts = PATTERN.exec(name);
    if (parts === null || parts[2] === ownToken()) continue;
    // The group is \d+.
    if (!(await mayBeAlive(Number(parts[1])))) {
      stale.push(joinPath(directory, name));
    }
  }
  await Promise.all(stale.map(removeUnlocked));
}

/**
 * Whether another process with this id runs. Our own id with another token is a worker of ours or
 * a process before us (in a container, ids repeat): the lock tells.
 */
async function mayBeAlive(pid: number): Promise<boolean> {
  if (pid === Deno.pid || Deno.build.os !== "linux") return false;
  return await statQuietly(`/proc/${pid}`) !== undefined;
}

async function removeUnlocked(path: string): Promise<void> {
  try {
    const file = await Deno.open(path, { read: true, write: true });
    try {
      // A writer that loses this race finds its file unlinked and starts again under another name.
      if (file.tryLockSync(true)) await Deno.remove(path);
    } finally {
      file.close();
    }
  } catch {
    // Another sweep has removed it, or it is not ours to remove.
  }
}
