/**
 * Ending a runner: let what was accepted finish, cut off what takes too long, and say what was.
 *
 * @module
 */
import { abortError } from "../_internal/errors.ts";
import { type TimerEntry, timers } from "../_internal/timer_queue.ts";
import { now } from "../_internal/clock.ts";
import { boolean, duration, object } from "../_internal/validate.ts";
import type { Job } from "./job.ts";
import type { TaskInfo } from "./types.ts";

/** How to end. */
export interface ShutdownOptions {
  /**
   * Lets queued and running tasks finish before anything is cancelled; `false` cancels them all
   * at once. @default {true}
   */
  wait?: boolean | undefined;
  /** How long they may take, in milliseconds, before what is left is cancelled. @default {Infinity} */
  timeout?: number | undefined;
  /**
   * How long cancelled tasks may take to end, in milliseconds, before shutdown returns without
   * them. Work inside `context.shield` is waited for however long it takes. @default {1000}
   */
  grace?: number | undefined;
}

/** What a shutdown had to cut off. */
export interface ShutdownReport {
  /** The tasks that were cancelled, queued or running. */
  cancelled: TaskInfo[];
  /** Those of them that ignored their signal and still run. */
  unfinished: TaskInfo[];
}

/** Checks the options before anything is ended. */
export function checkShutdownOptions(options: ShutdownOptions): void {
  object("options", options);
  const { wait, timeout, grace } = options;
  if (wait !== undefined) boolean("wait", wait);
  if (timeout !== undefined) duration("timeout", timeout);
  if (grace !== undefined) duration("grace", grace);
}

/** What is shut down. */
export interface ShutdownTarget {
  readonly isIdle: boolean;
  readonly isShielded: boolean;
  whenIdle(signal: AbortSignal): Promise<void>;
  cancelAll(reason: unknown): Job[];
  runningJobs(): Job[];
}

/** One shutdown, which later calls may hurry. */
export class Shutdown {
  readonly report: Promise<ShutdownReport>;
  readonly #target: ShutdownTarget;
  readonly #hurry = new AbortController();
  #deadline = Infinity;
  #timer: TimerEntry | undefined;
  #grace = 1000;

  constructor(target: ShutdownTarget) {
    this.#target = target;
    this.report = this.#run();
  }

  /** Applies the options of a call: the most impatient one wins. */
  apply(
    { wait = true, timeout = Infinity, grace = 1000 }: ShutdownOptions,
  ): void {
    this.#grace = Math.min(this.#grace, grace);
    if (!wait) return this.timeUp();
    const deadline = now() + timeout;
    if (deadline >= this.#deadline || this.#target.isIdle) return;
    this.#deadline = deadline;
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = timers.add(deadline, this);
  }

  /** Waiting is over: what still runs is cancelled. */
  timeUp(): void {
    this.#hurry.abort();
  }

  async #run(): Promise<ShutdownReport> {
    try {
      // The options of the first call are applied before anything is waited for.
      await undefined;
      const idle = await this.#idleBefore(this.#hurry.signal);
      if (idle) return { cancelled: [], unfinished: [] };
      const cancelled = this.#target.cancelAll(
        abortError("The runner was shut down before this task had ended"),
      );
      await this.#endOfCancelled();
      return {
        cancelled,
        unfinished: this.#target.runningJobs(),
      };
    } finally {
      if (this.#timer !== undefined) timers.remove(this.#timer);
    }
  }

  async #endOfCancelled(): Promise<void> {
    const grace = new AbortController();
    const entry = this.#grace === Infinity
      ? undefined
      : timers.add(now() + this.#grace, { timeUp: () => grace.abort() });
    const idle = await this.#idleBefore(grace.signal);
    if (entry !== undefined) timers.remove(entry);
    if (idle) return;
    while (this.#target.isShielded) {
      // Woken by each end; the loop looks whether any shield is left.
      await Promise.race(
        this.#target.runningJobs().flatMap((job) => [
          ...(job.extras?.family?.shields ?? []),
        ]).map((work) => work.then(() => {}, () => {})),
      );
    }
  }

  /** True when everything ended before `signal` aborted. */
  #idleBefore(signal: AbortSignal): Promise<boolean> {
    return this.#target.whenIdle(signal).then(
      () => true,
      () => false,
    );
  }
}
