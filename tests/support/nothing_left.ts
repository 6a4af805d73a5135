/**
 * What a failure or an abort must not leave behind. The sanitizers see what a test leaves to the
 * runtime; this sees what it leaves to our own code, before anything is disposed of, and names it.
 *
 * @module
 */
import { getEventListeners } from "node:events";
import { idleTimers, timers } from "../../_internal/timer_queue.ts";
import { AsyncRunner, TaskScheduler } from "../../runner/mod.ts";
import type { ResourcePool } from "../../runner/mod.ts";
import { coreOf } from "../../runner/scheduler/scheduler.ts";
import {
  namelessSockets,
  networkSockets,
  openDescriptors,
} from "./open_files.ts";
import { comes } from "./real_time.ts";
import { TemporaryDirectory } from "./temporary_directory.ts";

/** Whatever counts its tasks. */
interface CountingRunner {
  stats(): { readonly queued: number; readonly running: number };
}

/** What is looked at. Descriptors and the timers that all share always are. */
export interface LeftoverOptions {
  /** Nothing waits or runs there, no scope is open, every slot is free. */
  runner?: CountingRunner | readonly CountingRunner[];
  /** Nothing of these is leased or on its way, and nobody waits. */
  pool?: Pick<ResourcePool<unknown>, "stats">;
  /** Nobody listens to these any more. */
  signals?: readonly AbortSignal[];
  /** Ports of this test's servers: tells their sockets from those of files that are tested beside this one. */
  ports?: readonly number[];
  /** How long it waits for what is still ending, in milliseconds of real time. @default {20_000} */
  within?: number;
}

/**
 * At the end of the block nothing may be left of what began in it; waits for what is still ending.
 * To be declared after what it is given and before what it is to find gone.
 *
 * Of a body that fails as well, the runtime shows neither message (SuppressedError), only the line:
 * so what is left goes to the console, too.
 *
 * @example
 * ```ts ignore
 * await using runner = new AsyncRunner();
 * const controller = new AbortController();
 * await using _ = nothingLeft({ runner, signals: [controller.signal] });
 * ```
 */
export function nothingLeft(options: LeftoverOptions = {}): AsyncDisposable {
  const { runner = [], pool, signals = [], ports = [] } = options;
  const runners = Array.isArray(runner) ? runner : [runner];
  const timersBefore = timers.size;
  const idleTimersBefore = idleTimers.size;
  const descriptorsBefore = openDescriptors();
  const look = () => [
    ...more("timers", timers.size, timersBefore),
    ...more("idle timers", idleTimers.size, idleTimersBefore),
    ...runners.flatMap(inRunner),
    ...(pool === undefined ? [] : inPool(pool)),
    ...signals.flatMap(onSignal),
    ...newDescriptors(descriptorsBefore, ports),
  ];
  return {
    async [Symbol.asyncDispose]() {
      let left: string[] = [];
      const isGone = () => (left = look()).length === 0;
      if (await comes(isGone, options.within ?? 20_000)) return;
      const message = `Left behind: ${left.join("; ")}`;
      console.error(message);
      throw new Error(message);
    },
  };
}

function more(what: string, now: number, before: number): string[] {
  return now > before ? [`${now - before} ${what}`] : [];
}

function inRunner(runner: CountingRunner): string[] {
  const { queued, running } = runner.stats();
  const left = [...more("queued tasks", queued, 0)];
  const scheduler = runner instanceof AsyncRunner ? runner.scheduler : runner;
  if (!(scheduler instanceof TaskScheduler)) {
    return [...left, ...more("running tasks", running, 0)];
  }
  const core = coreOf(scheduler);
  left.push(
    ...core.runningJobs().map(({ name }) => `the running task ${name}`),
  );
  if (core.admission.hasWork) left.push("open scopes or batches");
  if (core.conditions.hasWaiters) left.push("somebody waits for the scheduler");
  // Of running tasks the slots are theirs.
  if (running === 0 && core.freeSlots !== core.maxConcurrent) {
    left.push(`${core.freeSlots} of ${core.maxConcurrent} slots are free`);
  }
  return left;
}

function inPool({ stats }: Pick<ResourcePool<unknown>, "stats">): string[] {
  return [
    ...more("leases", stats.leased, 0),
    ...more("acquires that wait", stats.waiting, 0),
    ...more("resources being made", stats.creating, 0),
    ...more("resources being validated", stats.validating, 0),
    ...more("resources being cleaned up", stats.cleaning, 0),
  ];
}

function onSignal(signal: AbortSignal, index: number): string[] {
  return more(`abort listeners of signal ${index}`, abortListeners(signal), 0);
}

/** How many listen to the signal. */
export function abortListeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

/** The most that listen to a signal at any time from now on. */
export function mostAbortListeners(signal: AbortSignal): () => number {
  let most = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    add(...args);
    most = Math.max(most, abortListeners(signal));
  };
  return () => most;
}

function newDescriptors(
  before: ReadonlyMap<string, string>,
  ports: readonly number[],
): string[] {
  const known = new Set(before.values());
  const opened = [...openDescriptors()].flatMap(([descriptor, target]) =>
    before.has(descriptor) || IS_RUNTIMES.test(target) ||
      // A worker has its own copies of the standard output and error, which are pipes here.
      (target.startsWith("pipe:") && known.has(target))
      ? []
      : [target]
  );
  if (opened.length === 0) return [];
  return opened.filter(sharesProcess() ? belongsTo(ports) : isSomebodys())
    .map((target) => `a descriptor of ${target}`);
}

/** What the runtime opens once for the whole process: event loops, the watcher, its caches. */
const IS_RUNTIMES = /^anon_inode:|_cache_v\d+(-wal|-shm|-journal)?$/;

/** All but the pair of sockets by which signals reach the event loop. */
function isSomebodys(): (target: string) => boolean {
  const nameless = namelessSockets();
  return (target) => !nameless.has(socketNumber(target) ?? "");
}

/** What certainly belongs to this file's tests. */
function belongsTo(ports: readonly number[]): (target: string) => boolean {
  const roots = [...TemporaryDirectory.roots];
  const sockets = networkSockets();
  return (target) => {
    const socket = socketNumber(target);
    if (socket === undefined) {
      return roots.some((root) => target.startsWith(`${root}/`));
    }
    return sockets.get(socket)?.some((port) => ports.includes(port)) === true;
  };
}

function socketNumber(target: string): string | undefined {
  return /^socket:\[(\d+)\]$/.exec(target)?.[1];
}

/** With `--parallel`, the files that are tested side by side are threads of one process. */
function sharesProcess(): boolean {
  return isParallel ??= Deno.readTextFileSync("/proc/self/cmdline")
    .split("\0").includes("--parallel");
}
let isParallel: boolean | undefined;
