/**
 * Ending a ClusterRunner: let what was accepted finish wherever it runs, cancel what takes too
 * long, say what was cancelled; then stop the workers and close the connections.
 *
 *     waiting ──all has ended──────────────────────────────────▶ closing ──▶ done
 *        └──time is up──▶ cut off ──all has ended, or grace is over──▲
 *
 * @module
 */
import {
  abortError,
  type Admission,
  type TimerEntry,
  timers,
} from "@specify/async-core/host";
import type {
  ShutdownOptions,
  ShutdownReport,
} from "@specify/async-core/runner";
import { isUnsettled } from "./submit/open_tasks.ts";
import { infoOf } from "./submit/settler.ts";
import type { Submitter } from "./submit/submitter.ts";

/** What is shut down. */
export interface ShutdownTarget {
  readonly admission: Admission;
  readonly tasks: Submitter;
  /** Stops the workers; with `isHurried`, without waiting for what they run. */
  stopWorkers(isHurried: boolean): Promise<unknown>;
  /** Closes everything. */
  close(): Promise<void>;
}

/** One shutdown, which later calls may hurry. */
export class ClusterShutdown {
  // Invariant: timers run only until it is done; a call that joins it afterwards changes nothing.
  readonly report: Promise<ShutdownReport>;
  readonly #target: ShutdownTarget;
  readonly #hurry = new AbortController();
  readonly #late = new AbortController();
  readonly #timers: TimerEntry[] = [];
  #grace = Infinity;
  #isDone = false;

  constructor(target: ShutdownTarget, options: ShutdownOptions) {
    this.#target = target;
    this.apply(options);
    this.report = this.#run().finally(() => {
      this.#isDone = true;
      for (const timer of this.#timers) timers.remove(timer);
    });
  }

  /** The most impatient options win. */
  apply(options: ShutdownOptions): void {
    if (this.#isDone) return;
    const { wait = true, timeout = Infinity, grace = 1000 } = options;
    this.#grace = Math.min(this.#grace, grace);
    if (!wait) this.#hurry.abort();
    else this.#after(timeout, this.#hurry);
    if (this.#hurry.signal.aborted) this.#after(this.#grace, this.#late);
  }

  #after(milliseconds: number, controller: AbortController): void {
    this.#timers.push(timers.add(performance.now() + milliseconds, {
      timeUp: () => controller.abort(),
    }));
  }

  async #run(): Promise<ShutdownReport> {
    const { tasks, admission } = this.#target;
    const report: ShutdownReport = { cancelled: [], unfinished: [] };
    if (!await this.#isOverBefore(this.#hurry.signal)) {
      const handles = tasks.handles().filter(isUnsettled);
      const reason = abortError(
        "The runner was shut down before this task had ended",
      );
      this.#after(this.#grace, this.#late);
      admission.cutOff(reason, false);
      for (const handle of handles) handle.cancel(reason);
      report.cancelled = handles.map(infoOf);
      await this.#isOverBefore(this.#late.signal);
    }
    report.unfinished = tasks.handles().map(infoOf);
    const { signal } = this.#hurry;
    // Those of its patience that are left hold for the workers, too.
    const hurry = () => {
      this.#target.stopWorkers(true).catch(() => {});
    };
    signal.addEventListener("abort", hurry, { once: true });
    try {
      await this.#target.stopWorkers(signal.aborted);
    } finally {
      signal.removeEventListener("abort", hurry);
      await this.#target.close();
    }
    return report;
  }

  /** Whether everything ends before the signal aborts. */
  async #isOverBefore(signal: AbortSignal): Promise<boolean> {
    const { tasks, admission } = this.#target;
    const unwatch = tasks.absence.watch(() => tasks.changed());
    try {
      await tasks.when(
        () => tasks.isOver && !admission.hasWork,
        signal,
      );
      return true;
    } catch {
      // Aborted: time is up.
      return false;
    } finally {
      unwatch();
    }
  }
}
