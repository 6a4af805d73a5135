/**
 * The engine: one run of one stream. A terminal composes the operators into a single push
 * function, and the run drives the source's elements through it: synchronously as long as
 * nothing has to be waited for, in slices that let the event loop breathe, and with one `await`
 * where a source, a function or a consumer is really asynchronous.
 *
 * Two ways to drive: a terminal runs to the end (`finish`), an iterator asks for one element
 * at a time (`advance` and `drive` return as soon as `output` is filled).
 *
 * @module
 */
import {
  type AbortSubscription,
  isAbortReason,
  onAbort,
} from "../_internal/abort.ts";
import { report } from "../_internal/errors.ts";
import type { AnyIterator } from "../_internal/iterators.ts";
import { isThenable } from "../_internal/thenable.ts";
import {
  ARRAY,
  ASYNC,
  BATCH,
  closeQuietly,
  Frame,
  NO_ITEMS,
  PULL,
  SYNC,
} from "./frame.ts";
import { Pace } from "./pace.ts";
import type {
  BatchSource,
  Operator,
  Origin,
  PullableIterator,
  Push,
  Wait,
} from "./types.ts";

export type {
  BatchSource,
  Operator,
  Origin,
  PullableIterator,
  Push,
  Wait,
} from "./types.ts";

/** Every level of every chain. */
const ALL = Infinity;

/** What the driving function waits for. */
const NOTHING = 0;
const SOURCE = 1;
const CHAIN = 2;

// Invariants:
// - `top` is the innermost frame; levels rise strictly from the bottom to the top, since only an
//   operator below the frame that is being walked can enter another. A frame is taken off the
//   stack before it is closed, ends or fails: so it is closed at most once, and never after its
//   end or failure.
// - Operators of a level below `stopLevel` have seen their last element: a frame of such a level
//   is closed instead of walked. `stopLevel` only rises; a failure raises it above every level
//   until all is closed, and puts it back for the operators that give out what they hold.
// - `hookLevel` operators have been told of the end (or failure). They are told one by one, from
//   the source down, each only when the stack is empty again: what one gives out at its end goes
//   through the ones below before they end themselves.
// - `output` holds at most one element, and nothing is walked while it does.
// - One driving function at a time is in charge, the one whose `turn` is the present one. A cancel
//   that cannot wait for it raises `turn`; when it wakes it sees that and only closes the frame
//   that it waited for, which the cancel took off the stack.
// - While something waits for a next(), its frame is the top one: nothing else walks.
// - `failure` is the first failure; later ones are reported, they never replace it.
/** One run of a stream from its source to its consumer. */
export class Run {
  /** Set by whatever the walking loop must look at: a stop, an output, a new frame. */
  interrupt = false;
  hasOutput = false;
  /** The element for the iterator's consumer, while `hasOutput`. */
  output: unknown = undefined;
  finished = false;
  failure: { error: unknown } | undefined = undefined;
  /** See the invariants. */
  stopLevel = 0;
  #top: Frame | undefined = undefined;
  #origin: Origin<unknown>;
  #head: Push<unknown>;
  readonly #sink: Push<unknown>;
  #started = false;
  #turn = 0;
  #isDriving = false;
  #waitingFor: typeof NOTHING | typeof SOURCE | typeof CHAIN = NOTHING;
  /** Whether the thenable that `advance` returned is the top frame's pending next(). */
  #isWaitingForFrame = false;
  /** What `read` waits for, and whose turn it was. After a cancel there is no second read. */
  #readFrame: Frame | undefined = undefined;
  #readTurn = 0;
  /** Whether it is a factory's promise of a source. */
  #isOpening = false;
  /** Why an early closing happens; passed on to ReadableStreams. */
  #reason: unknown = undefined;
  #flushes: ((() => Wait) | undefined)[] | undefined = undefined;
  #failHooks: ((() => Wait) | undefined)[] | undefined = undefined;
  #hookLevel = 0;
  /** After a failure: whether the frames are closed, so that the operators are being told. */
  #hasClosed = false;
  #resumeLevel = 0;
  readonly #signals: AbortSignal[] = [];
  readonly #subscriptions: AbortSubscription[] = [];
  #onFinish: (() => void)[] | undefined = undefined;
  readonly #pace = new Pace();
  /** How many elements until the next look at the pace. */
  #countdown = 16;

  /** Composes `operators` before `sink`; `sink` may be an operator itself, hence the run. */
  constructor(
    origin: Origin<unknown>,
    operators: readonly Operator<unknown, unknown>[],
    sink: (run: Run, level: number) => Push<unknown>,
  ) {
    this.#origin = origin;
    let push = this.#sink = sink(this, operators.length);
    for (let level = operators.length - 1; level >= 0; level--) {
      // Within the array.
      push = operators[level]!(push, this, level);
    }
    this.#head = push;
  }

  // What operators call.

  /** No more elements for the operator at `level` and those above it. */
  stop(level: number): void {
    if (level >= this.stopLevel) this.stopLevel = level + 1;
    this.interrupt = true;
  }

  /** Whether an element that arrives late at `level` has nobody to go to. */
  isStopped(level: number): boolean {
    return level < this.stopLevel;
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

  /** Whether somebody is at it: an element is under way, or it is being closed. */
  get isWalking(): boolean {
    return this.#isDriving;
  }

  /** Calls `then` when the run has ended in whatever way. */
  onFinish(then: () => void): void {
    if (this.finished) then();
    else (this.#onFinish ??= []).push(then);
  }

  /** Walks an array, its promises awaited, before anything else is taken from above. */
  enterArray(level: number, push: Push<never>, items: readonly unknown[]) {
    this.#enter(new Frame(ARRAY, level, push as Push<unknown>, items, items));
  }

  /** The same for a synchronous iterator, its promises awaited. */
  enterSync(level: number, push: Push<never>, iterator: Iterator<unknown>) {
    this.#enter(
      new Frame(SYNC, level, push as Push<unknown>, iterator, NO_ITEMS),
    );
  }

  /** The same for an asynchronous iterator. */
  enterAsync(level: number, push: Push<never>, iterator: AnyIterator<unknown>) {
    this.#enter(
      new Frame(ASYNC, level, push as Push<unknown>, iterator, NO_ITEMS),
    );
  }

  /** The same for an iterator of ours. */
  enterPullable(
    level: number,
    push: Push<never>,
    iterator: PullableIterator<unknown>,
  ) {
    this.#enter(
      new Frame(PULL, level, push as Push<unknown>, iterator, NO_ITEMS),
    );
  }

  /** The same for a source of batches. */
  enterBatches(level: number, push: Push<never>, source: BatchSource<unknown>) {
    this.#enter(
      new Frame(BATCH, level, push as Push<unknown>, source, NO_ITEMS),
    );
  }

  #enter(frame: Frame): void {
    this.interrupt = true;
    if (this.finished) {
      // It was opened by something that a cancel did not wait for.
      closeQuietly(frame, this.#reason);
      return;
    }
    frame.isDirect = frame.kind === BATCH && frame.push === this.#sink;
    frame.below = this.#top;
    this.#top = frame;
  }

  // What consumers call.

  /** Runs to the end. Rejects with the failure. */
  complete(): Promise<void> {
    if (this.#signals.length === 0) return this.#completeAlone();
    return new Promise((resolve, reject) => {
      // A cancel does not wait for the first driving function, so neither may this promise.
      this.onFinish(() => {
        if (this.failure === undefined) resolve();
        else reject(this.failure.error);
      });
      this.drive();
    });
  }

  async #completeAlone(): Promise<void> {
    await this.drive();
    if (this.failure !== undefined) throw this.failure.error;
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
    this.#reason = abort === undefined ? reason : abort.reason;
    if (abort !== undefined) this.failure ??= { error: abort.reason };
    const ended = new Promise<void>((resolve) => this.onFinish(resolve));
    if (!this.#isDriving) this.drive();
    else if (this.#waitingFor === SOURCE) {
      // SOURCE: the top frame is the one that waits.
      const frame = this.#top!;
      // One that can be closed stays on the stack, to be closed and waited for as the others
      // are; only an abort does not wait for what is pending.
      if (abort !== undefined || !frame.closesWhilePending) {
        this.#top = frame.below;
        if (frame.closesWhilePending) closeQuietly(frame, this.#reason);
      }
      this.#takeOver();
    } else if (
      this.#waitingFor === CHAIN && (abort !== undefined || this.#isOpening)
    ) this.#takeOver();
    // Otherwise the present driving function ends it as soon as it comes to look.
    return ended;
  }

  /** Leaves the present driving function behind and drives on without it. */
  #takeOver(): void {
    this.#turn++;
    this.#waitingFor = NOTHING;
    this.#isWaitingForFrame = false;
    this.drive();
  }

  /**
   * The frame that has the next element of the stream at hand, if one has. Whoever takes that
   * (`items[index++]`) has spared himself a `step`.
   */
  direct(): Frame | undefined {
    const frame = this.#top;
    if (
      frame === undefined || !frame.isDirect || this.#isDriving ||
      frame.level < this.stopLevel || this.#countdown <= 0 ||
      frame.index >= frame.items.length
    ) return undefined;
    this.#countdown--;
    return frame;
  }

  /** `advance` for one who does not go on with `drive` in any case. */
  step(): Wait {
    this.#isDriving = true;
    const wait = this.advance();
    this.#isDriving = false;
    return wait;
  }

  /**
   * Walks as far as it can without waiting. Afterwards there is an output, or the run is
   * finished, or the returned thenable must settle first, or (undefined) the top frame is
   * asynchronous: `drive` knows how to go on. Never throws.
   */
  advance(): Wait {
    while (!this.finished && !this.hasOutput) {
      if (this.#countdown <= 0) {
        // An asynchronous source's own waiting tells nothing of how long the walk takes.
        const pause = this.#pace.look(this.#top?.kind === ASYNC ? 16 : 1);
        this.#countdown = this.#pace.stride;
        if (pause !== undefined) return pause;
      }
      this.interrupt = false;
      const frame = this.#top;
      try {
        let wait: Wait;
        if (frame === undefined) {
          wait = this.#started ? this.#end() : this.#start();
        } else if (frame.level < this.stopLevel) {
          this.#top = frame.below;
          wait = frame.close(this.#reason);
        } else if (frame.kind === SYNC) wait = this.#walkSync(frame);
        else if (frame.kind === ARRAY) wait = this.#walkArray(frame);
        else if (frame.kind === PULL) wait = this.#walkOurs(frame);
        else if (frame.kind === BATCH) wait = this.#walkBatches(frame);
        // Asynchronous: `drive` walks it, in one loop with its await.
        else return undefined;
        if (wait !== undefined) return wait;
      } catch (error) {
        this.#fail(error);
      }
    }
    return undefined;
  }

  // The walks: each goes on until its source is exhausted, the countdown is over, something must
  // be looked at (`interrupt`) or waited for. A source that throws is taken off the stack, since
  // it is done and not to be closed. One small function for each kind: the compiler does better
  // with them than with one that has it all.

  #walkArray(frame: Frame): Wait {
    const { items, push } = frame;
    let left = this.#countdown;
    let wait: Wait;
    do {
      if (frame.index >= items.length) {
        this.#top = frame.below;
        break;
      }
      const value = items[frame.index++];
      wait = isThenable(value) ? this.#pushLater(frame, value) : push(value);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.#countdown = left;
    return wait;
  }

  #walkSync(frame: Frame): Wait {
    const iterator = frame.source as Iterator<unknown>;
    const { push } = frame;
    let left = this.#countdown;
    let wait: Wait;
    do {
      let result;
      try {
        result = iterator.next();
      } catch (error) {
        this.#top = frame.below;
        throw error;
      }
      if (result.done) {
        this.#top = frame.below;
        break;
      }
      const { value } = result;
      wait = isThenable(value) ? this.#pushLater(frame, value) : push(value);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.#countdown = left;
    return wait;
  }

  #walkOurs(frame: Frame): Wait {
    const iterator = frame.source as PullableIterator<unknown>;
    const { push } = frame;
    let left = this.#countdown;
    let wait: Wait;
    do {
      let result;
      try {
        result = iterator.pull();
      } catch (error) {
        this.#top = frame.below;
        throw error;
      }
      if (isThenable(result)) {
        wait = this.#await(result);
        break;
      }
      if (result.done) {
        this.#top = frame.below;
        break;
      }
      wait = push(result.value);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.#countdown = left;
    return wait;
  }

  #walkBatches(frame: Frame): Wait {
    const { push } = frame;
    let left = this.#countdown;
    let wait: Wait;
    do {
      if (frame.index >= frame.items.length) {
        let items;
        try {
          items = (frame.source as BatchSource<unknown>).pull();
        } catch (error) {
          this.#top = frame.below;
          throw error;
        }
        if (isThenable(items)) {
          wait = this.#await(items);
          break;
        }
        if (items === undefined) {
          this.#top = frame.below;
          break;
        }
        frame.items = items;
        frame.index = 0;
        continue;
      }
      wait = push(frame.items[frame.index++]);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.#countdown = left;
    return wait;
  }

  /**
   * Goes on until there is an output or the run is finished, waiting where it must. `wait` is
   * what `step` returned, if it was called before. Never rejects. Resolves to false when a
   * cancel has taken the run out of its hands.
   */
  async drive(wait?: Wait): Promise<boolean> {
    this.#isDriving = true;
    const turn = this.#turn;
    for (;;) {
      wait ??= this.advance();
      if (wait === undefined && (this.hasOutput || this.finished)) {
        this.#isDriving = false;
        return true;
      }
      // Waited for by `wait`, or (without one) asynchronous and at the top: see `advance`.
      const frame = this.#top!;
      try {
        if (wait === undefined) {
          if (!await this.#walk(frame, turn)) return false;
        } else if (this.#isWaitingForFrame) {
          const pending = wait;
          wait = undefined;
          if (!await this.#walkPending(frame, turn, pending)) return false;
        } else {
          this.#waitingFor = CHAIN;
          await wait;
          if (turn !== this.#turn) return false;
          this.#waitingFor = NOTHING;
          this.#isOpening = false;
          this.#countdown--;
          wait = undefined;
        }
      } catch (error) {
        if (turn !== this.#turn) {
          this.#tellLate(error);
          return false;
        }
        // It failed by itself: off the stack, and not closed.
        if (this.#waitingFor === SOURCE) {
          this.#top = frame.below;
          (frame.source as AnyIterator<unknown>).ended?.();
        }
        this.#waitingFor = NOTHING;
        this.#isWaitingForFrame = false;
        this.#isOpening = false;
        wait = undefined;
        this.#fail(error);
      }
    }
  }

  /**
   * Begins the top frame's next() when that is what comes after a `step` that returned nothing:
   * a cheaper `drive` for one element. `arrived` or `readFailed` must be told of its end.
   */
  read(): PromiseLike<IteratorResult<unknown>> | undefined {
    const frame = this.#top;
    if (frame === undefined) return undefined;
    this.#isDriving = true;
    this.#waitingFor = SOURCE;
    this.#readFrame = frame;
    this.#readTurn = this.#turn;
    let reading;
    try {
      reading = (frame.source as AnyIterator<unknown>).next();
    } catch (error) {
      reading = Promise.reject(error);
    }
    return isThenable(reading)
      ? reading as PromiseLike<IteratorResult<unknown>>
      : Promise.resolve(reading);
  }

  /** The end of `read`. False: a cancel has taken the run over. Otherwise go on with `drive`. */
  arrived(result: IteratorResult<unknown>): Wait | false {
    // Set by `read`.
    const frame = this.#readFrame!;
    if (this.#readTurn !== this.#turn) return this.#wake(frame, result);
    this.#waitingFor = NOTHING;
    this.#countdown--;
    let wait: Wait;
    if (result.done) {
      this.#top = frame.below;
      (frame.source as AnyIterator<unknown>).ended?.();
    } else {
      try {
        wait = frame.push(result.value);
      } catch (error) {
        this.#fail(error);
      }
    }
    if (this.hasOutput) this.#isDriving = false;
    return wait;
  }

  /** The same for a next() that failed. */
  readFailed(error: unknown): boolean {
    const frame = this.#readFrame!;
    if (this.#readTurn !== this.#turn) {
      this.#tellLate(error);
      return false;
    }
    this.#waitingFor = NOTHING;
    this.#top = frame.below;
    (frame.source as AnyIterator<unknown>).ended?.();
    this.#fail(error);
    return true;
  }

  /**
   * Walks the top frame, an asynchronous one, until something must be looked at. False: a cancel
   * has taken the run over. Small on purpose: what an async function holds is saved and restored
   * around each await (1.2 times the time when this is a part of `drive`).
   */
  async #walk(frame: Frame, turn: number): Promise<boolean> {
    const iterator = frame.source as AnyIterator<unknown>;
    const { push } = frame;
    do {
      this.#waitingFor = SOURCE;
      const result = await iterator.next();
      if (turn !== this.#turn) return this.#wake(frame, result);
      this.#waitingFor = NOTHING;
      if (result.done) {
        this.#top = frame.below;
        iterator.ended?.();
        return true;
      }
      const wait = push(result.value);
      if (wait !== undefined) {
        this.#waitingFor = CHAIN;
        await wait;
        if (turn !== this.#turn) return false;
        this.#waitingFor = NOTHING;
      }
    } while (--this.#countdown > 0 && !this.interrupt);
    return true;
  }

  /** The same for a frame of ours, whose next element is `pending`. */
  async #walkPending(
    frame: Frame,
    turn: number,
    pending: PromiseLike<unknown>,
  ): Promise<boolean> {
    const iterator = frame.source as PullableIterator<unknown>;
    for (;;) {
      this.#waitingFor = SOURCE;
      const result = await pending;
      if (turn !== this.#turn) {
        return this.#wake(frame, result as IteratorResult<unknown>);
      }
      this.#waitingFor = NOTHING;
      this.#isWaitingForFrame = false;
      this.#countdown--;
      const wait = this.#deliver(frame, result);
      if (wait !== undefined) {
        this.#waitingFor = CHAIN;
        await wait;
        if (turn !== this.#turn) return false;
        this.#waitingFor = NOTHING;
      }
      if (
        this.interrupt || this.#countdown <= 0 || frame.kind !== PULL ||
        this.#top !== frame
      ) return true;
      this.#waitingFor = SOURCE;
      const next = iterator.pull();
      this.#waitingFor = NOTHING;
      if (isThenable(next)) pending = this.#await(next);
      else {
        const wait = this.#deliver(frame, next);
        if (wait !== undefined) {
          this.#waitingFor = CHAIN;
          await wait;
          if (turn !== this.#turn) return false;
          this.#waitingFor = NOTHING;
        }
        return true;
      }
    }
  }

  /** An element that is a promise, unless the stream is stopped before it is there. */
  #pushLater(frame: Frame, thenable: PromiseLike<unknown>): Wait {
    return Promise.resolve(thenable).then((value) =>
      this.isStopped(frame.level) ? undefined : frame.push(value)
    );
  }

  #await(thenable: PromiseLike<unknown>): PromiseLike<unknown> {
    this.#isWaitingForFrame = true;
    return thenable;
  }

  /** What a frame's pending next() brought. */
  #deliver(frame: Frame, result: unknown): Wait {
    if (frame.kind === BATCH) {
      if (result === undefined) this.#top = frame.below;
      else {
        frame.items = result as readonly unknown[];
        frame.index = 0;
      }
      return undefined;
    }
    const { done, value } = result as IteratorResult<unknown>;
    if (!done) return frame.push(value);
    this.#top = frame.below;
    return undefined;
  }

  /** A next() has come back after a cancel that did not wait for it. */
  #wake(frame: Frame, result: IteratorResult<unknown> | undefined): false {
    const hasEnded = frame.kind === BATCH
      ? result === undefined
      : result?.done === true;
    if (!hasEnded && !frame.closesWhilePending) {
      closeQuietly(frame, this.#reason);
    }
    return false;
  }

  /** A failure that comes after a cancel. That of a cancelled operation is no news. */
  #tellLate(error: unknown): void {
    if (
      error !== this.#reason && !isAbortReason(error) &&
      !(error instanceof DOMException && error.name === "AbortError")
    ) report("A stream failed after it had been stopped", error);
  }

  #start(): Wait {
    this.#started = true;
    for (const signal of this.#signals) {
      if (!signal.aborted) continue;
      this.failure ??= { error: signal.reason };
      this.#reason = signal.reason;
      this.stopLevel = this.#hookLevel = ALL;
      this.#hasClosed = true;
    }
    if (this.stopLevel > 0) return this.#origin.discard(this.#reason);
    for (const signal of this.#signals) {
      this.#subscriptions.push(
        onAbort(signal, (reason) => void this.cancel({ reason })),
      );
    }
    const wait = this.#origin.open(this, 0, this.#head);
    this.#isOpening = wait !== undefined;
    return wait;
  }

  /** The stack is empty: tells the next operator of the end, or finishes. */
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

  /** The first failure closes everything; a second one is reported. */
  #fail(error: unknown): void {
    if (this.failure === undefined) {
      this.failure = { error };
      this.#reason = error;
      this.#resumeLevel = this.stopLevel;
      this.stopLevel = ALL;
      return;
    }
    report("A stream failed again while it was closing after a failure", error);
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
