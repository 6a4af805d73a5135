/**
 * Ending a runner: let what was accepted finish, cut off what takes too long, and say what was.
 *
 * @module
 */
import type { AbortSubscription } from "../../_internal/abort.ts";
import { abortError } from "../../_internal/errors.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import { now } from "../../_internal/clock.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  duration,
} from "../../_internal/validate.ts";
import type { Job } from "./job.ts";
import type { TaskInfo } from "../types.ts";

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

const CHECKS: Checks<ShutdownOptions> = {
  wait: boolean,
  timeout: duration,
  grace: duration,
};

/** Checks the options before anything is ended. */
export function checkShutdownOptions(options: ShutdownOptions): void {
  checkOptions("shutdown()", options, CHECKS);
}

/** What is shut down. */
export interface ShutdownTarget {
  readonly isShielded: boolean;
  /** Resolves when everything that was accepted has ended. */
  whenOver(signal: AbortSignal): Promise<void>;
  /** Cancels what is left and lets nothing more in. */
  cancelAll(reason: unknown): Job[];
  runningJobs(): Job[];
}

/** One shutdown, which later calls may hurry. */
export class Shutdown {
  // waiting ──all has ended──▶ done
  //    └──time is up──▶ cut off ──all has ended, or grace is over and nothing shielded──▶ done
  readonly report: Promise<ShutdownReport>;
  readonly #target: ShutdownTarget;
  readonly #hurry = new AbortController();
  #cancelled: TaskInfo[] = [];
  #isDone = false;
  #deadline = Infinity;
  #timer: TimerEntry | undefined;
  #grace = Infinity;

  /** `subscription`: what aborts the target, released at the end. */
  constructor(
    target: ShutdownTarget,
    subscription: AbortSubscription | undefined,
  ) {
    this.#target = target;
    this.report = this.#run();
    const release = () => subscription?.unsubscribe();
    this.report.then(release, release);
  }

  /** Applies the options of a call: the most impatient one wins. */
  apply(
    { wait = true, timeout = Infinity, grace = 1000 }: ShutdownOptions,
  ): void {
    this.#grace = Math.min(this.#grace, grace);
    if (this.#isDone || this.#hurry.signal.aborted) return;
    if (!wait) return this.timeUp();
    const deadline = now() + timeout;
    if (deadline >= this.#deadline) return;
    this.#deadline = deadline;
    this.#stopTimer();
    this.#timer = timers.add(deadline, this);
  }

  /** Waiting is over: what still waits or runs is cancelled, within this turn. */
  timeUp(): void {
    this.#stopTimer();
    this.#hurry.abort();
    this.#cutOff();
  }

  async #run(): Promise<ShutdownReport> {
    // The options of the first call are applied before anything is waited for.
    await undefined;
    const { signal } = this.#hurry;
    const over = !signal.aborted && await this.#overBefore(signal);
    this.#isDone = true;
    this.#stopTimer();
    if (over) {
      // Nothing is left; but a map that somebody still holds must start nothing more.
      this.#cutOff();
      return { cancelled: this.#cancelled, unfinished: [] };
    }
    await this.#endOfCancelled();
    return {
      cancelled: this.#cancelled,
      unfinished: this.#target.runningJobs(),
    };
  }

  #cutOff(): void {
    this.#cancelled = this.#target.cancelAll(
      abortError("The runner was shut down before this task had ended"),
    );
  }

  async #endOfCancelled(): Promise<void> {
    // A task goes on for a while after its shielded work: it gets the same grace again.
    while (!await this.#overWithin(this.#grace) && this.#target.isShielded) {
      while (this.#target.isShielded) {
        await Promise.race(
          this.#target.runningJobs().flatMap((job) => [
            ...(job.extras?.family?.shields ?? []),
          ]).map((work) => work.then(() => {}, () => {})),
        );
      }
    }
  }

  async #overWithin(grace: number): Promise<boolean> {
    const limit = new AbortController();
    const entry = grace === Infinity
      ? undefined
      : timers.add(now() + grace, { timeUp: () => limit.abort() });
    const over = await this.#overBefore(limit.signal);
    if (entry !== undefined) timers.remove(entry);
    return over;
  }

  /** True when everything ended before `signal` aborted. */
  #overBefore(signal: AbortSignal): Promise<boolean> {
    return this.#target.whenOver(signal).then(() => true, () => false);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = undefined;
  }
}
