/**
 * The root of a program: one place where it is told to end and where it cleans up.
 *
 * The run's states, each entered once, in this order:
 *
 * ```text
 *   running main ──> cleaning up ──> over
 * ```
 *
 * An abort (operating system, `signal`, `timeout`) can come in either of the first two; it never
 * changes the order, it only sets a clock: from then on each of the two may take `gracePeriod`.
 *
 * @module
 */
import { heedAbort, onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { report, timeoutError } from "../../_internal/errors.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  show,
} from "../../_internal/validate.ts";
import { endDefaultRunner } from "../default_runner.ts";
import { exitProcess, listenToOsSignals, type OsSignal } from "./os_signals.ts";

/** What the main function is given. */
export interface RunContext {
  /**
   * Aborts once: with an InterruptError on SIGINT or SIGTERM, with a `TimeoutError` when
   * `timeout` has passed, with the reason of `signal`. Hand it to whatever can take time.
   */
  readonly signal: AbortSignal;
  /**
   * Calls `cleanup` when main has ended, however it ended. Last in, first out, one after the
   * other.
   */
  defer(cleanup: () => unknown): void;
  /** Disposes of `resource` when main has ended, in the same order as `defer`. Returns it. */
  use<R extends AsyncDisposable | Disposable>(resource: R): R;
}

/** How a program is run. */
export interface AsyncRunOptions {
  /** Longest running time of main in milliseconds. @default {Infinity} */
  timeout?: number | undefined;
  /** Ends main from outside, with this signal's own reason. */
  signal?: AbortSignal | undefined;
  /**
   * Whether SIGINT and SIGTERM (on Windows Ctrl+C and Ctrl+Break) end main in good order: the
   * first aborts the context's signal, the clean-up runs, and the process exits with 130 or 143;
   * the second exits at once. Has no effect where there are no such signals.
   *
   * @default {true}
   */
  handleSignals?: boolean | undefined;
  /**
   * After an abort: how long in milliseconds main may take to end before the clean-up runs
   * without it, and how long the clean-up may take.
   *
   * @default {10_000}
   */
  gracePeriod?: number | undefined;
}

const CHECKS: Checks<AsyncRunOptions> = {
  timeout: duration,
  signal: checkSignal,
  handleSignals: boolean,
  gracePeriod: duration,
};

/**
 * Why the context's signal aborts when the operating system asks the program to end.
 *
 * @example
 * ```ts
 * import { asyncRun, InterruptError } from "@specify/async-core";
 *
 * await asyncRun(({ signal }) => {
 *   signal.addEventListener("abort", () => {
 *     if (signal.reason instanceof InterruptError) console.log("stopping");
 *   });
 * });
 * ```
 */
export class InterruptError extends Error {
  /** Always `"InterruptError"`. */
  override readonly name = "InterruptError";

  /** @internal */
  constructor(
    /** The operating system's signal, for example `"SIGINT"`. */
    readonly osSignal: string,
    /** What the process will exit with: 130 for SIGINT, 143 for SIGTERM. */
    readonly exitCode: number,
  ) {
    super(`The program was asked to end by ${osSignal}`);
  }
}

/**
 * The runs under way. An interrupted process exits when the last of them has cleaned up; one that
 * ends before (it may be nested in another) rejects with the InterruptError.
 */
const runs = new Set<Run>();

class Run {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #gracePeriod: number;
  readonly #cleanups: (() => unknown)[] = [];
  #interrupt: OsSignal | undefined = undefined;

  constructor(gracePeriod: number) {
    this.#gracePeriod = gracePeriod;
    this.signal = this.#controller.signal;
  }

  abort(reason: unknown): void {
    // A second abort of a controller does nothing.
    this.#controller.abort(reason);
  }

  heard(signal: OsSignal): void {
    if (this.#interrupt !== undefined) exitProcess(signal.exitCode);
    this.#interrupt = signal;
    this.abort(new InterruptError(signal.name, signal.exitCode));
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(functionNamed("cleanup", cleanup));
  }

  use<R extends AsyncDisposable | Disposable>(resource: R): R {
    const { [Symbol.asyncDispose]: disposeLater, [Symbol.dispose]: dispose } =
      resource as Partial<AsyncDisposable & Disposable>;
    const end = disposeLater ?? dispose;
    if (typeof end !== "function") {
      throw new TypeError(
        `context.use() takes something that can be disposed of, got ${
          show(resource)
        }`,
      );
    }
    this.defer(() => end.call(resource));
    return resource;
  }

  async run<T>(
    main: (context: RunContext) => T | PromiseLike<T>,
  ): Promise<T> {
    const context: RunContext = {
      signal: this.signal,
      defer: (cleanup) => this.defer(cleanup),
      use: (resource) => this.use(resource),
    };
    let outcome: PromiseSettledResult<T> | undefined;
    const running = Promise.allSettled([(async () => await main(context))()])
      .then(([settled]) => void (outcome ??= settled));
    if (!await this.#settled(running)) {
      // Overdue: what main does from now on goes nowhere.
      outcome = { status: "rejected", reason: this.signal.reason };
      report(
        `asyncRun: main has not ended within ${this.#gracePeriod} ms of the abort; cleaning up without it`,
        this.signal.reason,
      );
    }
    const errors: unknown[] = [];
    if (!await this.#settled(this.#cleanUp(errors))) {
      report(
        `asyncRun: the clean-up has not ended within ${this.#gracePeriod} ms of the abort`,
        this.signal.reason,
      );
    }
    runs.delete(this);
    // Set above in both branches.
    return this.#conclude(outcome!, errors);
  }

  /** False when `work` is still under way `gracePeriod` after the abort, or after now if later. */
  #settled(work: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: TimerEntry | undefined;
      const startClock = () => {
        if (this.#gracePeriod === Infinity) return;
        timer = timers.add(now() + this.#gracePeriod, {
          timeUp: () => resolve(false),
        });
      };
      const subscription = heedAbort(this.signal, startClock);
      work.then(() => {
        subscription?.unsubscribe();
        if (timer !== undefined) timers.remove(timer);
        resolve(true);
      });
    });
  }

  async #cleanUp(errors: unknown[]): Promise<void> {
    // A clean-up may defer another.
    for (
      let cleanup = this.#cleanups.pop();
      cleanup !== undefined;
      cleanup = this.#cleanups.pop()
    ) {
      try {
        await cleanup();
      } catch (error) {
        errors.push(error);
      }
    }
    if (runs.size > 1) return;
    // The last run takes along what asyncBackground left on the runner that nobody owns.
    try {
      await endDefaultRunner(this.#gracePeriod);
    } catch (error) {
      errors.push(error);
    }
  }

  #conclude<T>(outcome: PromiseSettledResult<T>, cleanupErrors: unknown[]): T {
    const errors = [...cleanupErrors];
    const hasFailed = outcome.status === "rejected";
    if (this.signal.aborted) {
      const { reason } = this.signal;
      if (hasFailed && !isCausedBy(outcome.reason, reason)) {
        errors.unshift(outcome.reason);
      }
      if (this.#interrupt !== undefined && runs.size === 0) {
        for (const error of errors) report("asyncRun", error);
        exitProcess(this.#interrupt.exitCode);
      }
      errors.unshift(reason);
    } else if (hasFailed) errors.unshift(outcome.reason);
    else if (errors.length === 0) return outcome.value;
    if (errors.length === 1) throw errors[0];
    throw new AggregateError(
      errors,
      "asyncRun: several failures, the first is the one that ended main or, if main went well, of the clean-up",
    );
  }
}

/** True for what code throws because it was aborted: the reason, or an AbortError of its own. */
function isCausedBy(error: unknown, reason: unknown): boolean {
  if (error === reason) return true;
  if (typeof error !== "object" || error === null) return false;
  const { name, cause } = error as { name?: unknown; cause?: unknown };
  return name === "AbortError" || cause === reason;
}

/**
 * Runs a program: calls `main`, and when it has ended, whether by its result, by an error or by
 * an abort, cleans up what it registered with `context.defer` and `context.use` and ends what
 * it left behind in the background, before the promise settles.
 *
 * - Ctrl+C and SIGTERM abort `context.signal`; when main and the clean-up have ended, the
 *   process exits with 130 or 143. A second one exits at once.
 * - After an abort the promise rejects with the reason, even when main returned a value.
 * - Background tasks (`asyncBackground` without a runner) are cancelled and awaited.
 *
 * @throws What main throws. With clean-up errors beside it, an AggregateError of all, main's first.
 * @throws {DOMException} `TimeoutError` when `timeout` has passed.
 * @throws {RangeError | TypeError} When an option is wrong.
 *
 * @example
 * ```ts
 * import { AsyncRunner, asyncRun } from "@specify/async-core";
 *
 * const sum = await asyncRun(async (context) => {
 *   const runner = context.use(new AsyncRunner({ maxWorkers: 4 }));
 *   context.defer(() => console.log("bye"));
 *   const parts = await runner.gather([() => 1, () => 2]);
 *   return parts[0] + parts[1];
 * });
 * console.log(sum); // 3, after "bye"
 * ```
 */
export async function asyncRun<T>(
  main: (context: RunContext) => T | PromiseLike<T>,
  options: AsyncRunOptions = {},
): Promise<T> {
  functionNamed("main", main);
  checkOptions("asyncRun()", options, CHECKS);
  const { timeout = Infinity, signal, handleSignals = true } = options;
  signal?.throwIfAborted();

  const run = new Run(options.gracePeriod ?? 10_000);
  runs.add(run);
  const stopListening = handleSignals
    ? listenToOsSignals((signal) => run.heard(signal))
    : undefined;
  const subscription = signal && onAbort(signal, (reason) => run.abort(reason));
  const timer = timeout === Infinity ? undefined : timers.add(now() + timeout, {
    timeUp: () =>
      run.abort(
        timeoutError(
          `asyncRun(): main's time limit of ${timeout} ms has passed`,
        ),
      ),
  });
  try {
    return await run.run(main);
  } finally {
    stopListening?.();
    subscription?.unsubscribe();
    if (timer !== undefined) timers.remove(timer);
  }
}
