/**
 * The engine: one run of one stream. A terminal composes the operators into a single push
 * function, and the run drives the source's elements through it: synchronously as long as
 * nothing has to be waited for, in slices that let the event loop breathe, and with one `await`
 * where a source, a function or a consumer is really asynchronous.
 *
 * Two ways to drive: a terminal runs to the end (`complete`), an iterator asks for one element
 * at a time (`step` and `drive` return as soon as `output` is filled).
 *
 * The push loop is in push_loop.ts, waiting in drive.ts; here is how a run begins, fails, is
 * cancelled and ends.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { STOPPED } from "../../_internal/upstream.ts";
import { Drive } from "./drive.ts";
import type { Operator, Origin, Push, RunAccess } from "./types.ts";
import type { Wait } from "../../_internal/iterators.ts";

/** Every level of every chain. */
const ALL = Infinity;

// Invariants:
// - `stopLevel` only rises; a failure raises it above every level until all is closed, and puts
//   it back for the operators that give out what they hold.
// - `hookLevel` operators have been told of the end (or failure). They are told one by one, from
//   the source down, each only when the stack is empty again: what one gives out at its end goes
//   through the ones below before they end themselves.
// - `failure` is the first failure; later ones are reported, they never replace it.
/** One run of a stream from its source to its consumer. */
export class Run extends Drive implements RunAccess {
  failure: { error: unknown } | undefined = undefined;
  readonly #origin: Origin<unknown>;
  readonly #head: Push<unknown>;
  #started = false;
  #flushes: ((() => Wait) | undefined)[] | undefined = undefined;
  #failHooks: ((() => Wait) | undefined)[] | undefined = undefined;
  #hookLevel = 0;
  /** After a failure: whether the frames are closed, so that the operators are being told. */
  #hasClosed = false;
  #resumeLevel = 0;
  readonly #signals: AbortSignal[] = [];
  readonly #subscriptions: AbortSubscription[] = [];
  #onFinish: (() => void)[] | undefined = undefined;

  /** Composes `operators` before `sink`; `sink` may be an operator itself, hence the run. */
  constructor(
    origin: Origin<unknown>,
    operators: readonly Operator<unknown, unknown>[],
    sink: (run: Run, level: number) => Push<unknown>,
  ) {
    super();
    this.#origin = origin;
    let push = this.sink = sink(this, operators.length);
    for (let level = operators.length - 1; level >= 0; level--) {
      // Within the array.
      push = operators[level]!(push, this, level);
    }
    this.#head = push;
  }

  /** Called when no further element comes to `level`; may push, and return a thenable. */
  onFlush(level: number, flush: () => Wait): void {
    (this.#flushes ??= [])[level] = flush;
  }

  /** Called when something above `level` failed, before the failure is passed on. */
  onFailure(level: number, hook: () => Wait): void {
    (this.#failHooks ??= [])[level] = hook;
  }

  /** The run fails with the signal's reason as soon as it aborts. */
  abortOn(signal: AbortSignal): void {
    this.#signals.push(signal);
  }

  /** Calls `then` when the run has ended in whatever way. */
  onFinish(then: () => void): void {
    if (this.finished) then();
    else (this.#onFinish ??= []).push(then);
  }

  /** Runs to the end. Rejects with the failure. */
  complete(): Promise<void> {
    return new Promise((resolve, reject) => {
      // A cancel does not wait for the first driving function, so neither may this promise.
      this.onFinish(() => {
        if (this.failure === undefined) resolve();
        else reject(this.failure.error);
      });
      this.drive();
    });
  }

  /**
   * Ends the run from outside and closes every source. Resolves when that is done, which does not
   * wait for a source whose next() is pending: that one is closed when it wakes. With `abort`
   * the run fails with its reason, and does not wait for an operator either; `reason` is only
   * passed on to the sources.
   */
  cancel(abort?: { reason: unknown }, reason?: unknown): Promise<void> {
    if (this.finished) return Promise.resolve();
    this.stopLevel = this.#hookLevel = ALL;
    this.#hasClosed = true;
    this.interrupt = true;
    this.hasOutput = false;
    this.output = undefined;
    this.reason = abort === undefined ? reason : abort.reason;
    if (abort !== undefined) this.failure ??= { error: abort.reason };
    const ended = new Promise<void>((resolve) => this.onFinish(resolve));
    if (this.isDriving) this.interveneNow(abort !== undefined);
    else this.drive();
    return ended;
  }

  protected override proceed(): Wait {
    return this.#started ? this.#end() : this.#start();
  }

  #start(): Wait {
    this.#started = true;
    for (const signal of this.#signals) {
      if (!signal.aborted) continue;
      this.failure ??= { error: signal.reason };
      this.reason = signal.reason;
      this.stopLevel = this.#hookLevel = ALL;
      this.#hasClosed = true;
    }
    if (this.stopLevel > 0) return this.#origin.discard(this.reason);
    for (const signal of this.#signals) {
      this.#subscriptions.push(
        onAbort(signal, (reason) => void this.cancel({ reason })),
      );
    }
    const wait = this.#origin.open(this, 0, this.#head);
    this.isOpening = wait !== undefined;
    return wait;
  }

  /** Tells the next operator of the end, or finishes. */
  #end(): Wait {
    const hasFailed = this.failure !== undefined;
    if (hasFailed && !this.#hasClosed) {
      this.#hasClosed = true;
      this.stopLevel = this.#resumeLevel;
    }
    const hooks = hasFailed ? this.#failHooks : this.#flushes;
    if (hooks !== undefined) {
      while (this.#hookLevel < hooks.length) {
        const level = this.#hookLevel++;
        const hook = hooks[level];
        if (hook === undefined || level < this.stopLevel) continue;
        const wait = hook();
        if (wait !== undefined || this.interrupt) return wait;
      }
    }
    this.#finish();
    return undefined;
  }

  /** The first failure closes everything; a later one is told. */
  protected override fail(error: unknown): void {
    if (this.failure === undefined) {
      this.failure = { error };
      this.reason = error;
      this.#resumeLevel = this.stopLevel;
      this.stopLevel = ALL;
      return;
    }
    reportLate(STOPPED, error, this.reason);
    // In a hook: the others are not told any more.
    if (this.#hasClosed) this.stopLevel = this.#hookLevel = ALL;
  }

  #finish(): void {
    this.finished = true;
    // Whatever still arrives, arrives too late.
    this.stopLevel = ALL;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    const listeners = this.#onFinish;
    this.#onFinish = undefined;
    if (listeners !== undefined) { for (const tell of listeners) tell(); }
  }
}
