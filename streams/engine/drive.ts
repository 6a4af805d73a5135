/**
 * Driving: the push loop with the waits in between, one `await` where a source, a function or a
 * consumer is really asynchronous.
 *
 * It reads its sources itself and not through an Upstream (_internal/upstream.ts), by the same rule:
 * a foreign source whose next() is pending is closed when it wakes. There an element is answered
 * by a call, here it is the result of an `await` within a loop, which is what the speed over an
 * asynchronous source comes from; and what a stop has to wait for is the whole stack, not one source.
 *
 * @module
 */
import type { AnyIterator, Wait } from "../../_internal/iterators.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { STOPPED } from "../../_internal/upstream.ts";
import { closeQuietly, type Frame } from "./frame.ts";
import { PushLoop } from "./push_loop.ts";
import { BATCH, PULL, type PullableIterator } from "./types.ts";

/** What the driving function waits for. */
const NOTHING = 0;
const SOURCE = 1;
const CHAIN = 2;

// Invariants:
// - One driving function at a time is in charge, the one whose `turn` is the present one. A cancel
//   that cannot wait for it raises `turn` (`interveneNow`); when it wakes it sees that and only
//   closes the frame that it waited for, which the cancel took off the stack.
// - While something waits for a next(), its frame is the top one: nothing else is read.
// - `isDriving` holds from the beginning of a drive, step or read to its end.
/** See the module. */
export abstract class Drive extends PushLoop {
  #turn = 0;
  /** Whether somebody is at it: an element is under way, or it is being closed. */
  isDriving = false;
  #waitingFor: typeof NOTHING | typeof SOURCE | typeof CHAIN = NOTHING;
  /** What `read` waits for, and whose turn it was. After a cancel there is no second read. */
  #readFrame: Frame | undefined = undefined;
  #readTurn = 0;
  /** Whether what is waited for is a factory's promise of a source. */
  protected isOpening = false;

  /**
   * The frame that has the next element of the stream at hand, if one has. Whoever takes that
   * (`items[index++]`) has spared himself a `step`.
   */
  direct(): Frame | undefined {
    const frame = this.top;
    if (
      frame === undefined || !frame.isDirect || this.isDriving ||
      frame.level < this.stopLevel || this.countdown <= 0 ||
      frame.index >= frame.items.length
    ) return undefined;
    this.countdown--;
    return frame;
  }

  /** `advance` for one who does not go on with `drive` in any case. */
  step(): Wait {
    this.isDriving = true;
    const wait = this.advance();
    this.isDriving = false;
    return wait;
  }

  /**
   * Goes on until there is an output or the run is finished, waiting where it must. `wait` is
   * what `step` returned, if it was called before. Never rejects. Resolves to false when a
   * cancel has taken the run out of its hands.
   */
  async drive(wait?: Wait): Promise<boolean> {
    this.isDriving = true;
    const turn = this.#turn;
    for (;;) {
      wait ??= this.advance();
      if (wait === undefined && (this.hasOutput || this.finished)) {
        this.isDriving = false;
        return true;
      }
      // Waited for by `wait`, or (without one) asynchronous and at the top: see `advance`.
      const frame = this.top!;
      try {
        if (wait === undefined) {
          if (!await this.#pushAsync(frame, turn)) return false;
        } else if (this.isWaitingForFrame) {
          const pending = wait;
          wait = undefined;
          if (!await this.#pushPending(frame, turn, pending)) return false;
        } else {
          this.#waitingFor = CHAIN;
          await wait;
          if (turn !== this.#turn) return false;
          this.#waitingFor = NOTHING;
          this.isOpening = false;
          this.countdown--;
          wait = undefined;
        }
      } catch (error) {
        if (turn !== this.#turn) {
          reportLate(STOPPED, error, this.reason);
          return false;
        }
        wait = undefined;
        this.#failed(
          this.#waitingFor === SOURCE || this.isReading ? frame : undefined,
          error,
        );
      }
    }
  }

  /**
   * Begins the top frame's next() when that is what comes after a `step` that returned nothing:
   * a cheaper `drive` for one element. `arrived` or `readFailed` must be told of its end.
   */
  read(): PromiseLike<IteratorResult<unknown>> | undefined {
    const frame = this.top;
    if (frame === undefined) return undefined;
    this.isDriving = true;
    this.#waitingFor = SOURCE;
    this.#readFrame = frame;
    this.#readTurn = this.#turn;
    try {
      // A native promise stays what it is; a foreign thenable may call back twice, or throw.
      return Promise.resolve((frame.source as AnyIterator<unknown>).next());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The end of `read`. False: a cancel has taken the run over. Otherwise go on with `drive`. */
  arrived(result: IteratorResult<unknown>): Wait | false {
    // Set by `read`.
    const frame = this.#readFrame!;
    if (this.#readTurn !== this.#turn) return this.#wake(frame, result);
    this.#waitingFor = NOTHING;
    this.countdown--;
    let wait: Wait;
    try {
      // What is no iterator result throws here: the source is closed then, as by `drive`.
      if (result.done) this.#ended(frame);
      else wait = frame.push(result.value);
    } catch (error) {
      this.fail(error);
    }
    if (this.hasOutput) this.isDriving = false;
    return wait;
  }

  /** The same for a next() that failed. */
  readFailed(error: unknown): boolean {
    // Set by `read`.
    const frame = this.#readFrame!;
    if (this.#readTurn !== this.#turn) {
      reportLate(STOPPED, error, this.reason);
      return false;
    }
    this.#failed(frame, error);
    return true;
  }

  /**
   * Leaves the present driving function behind and drives on without it, if a cancel may not wait
   * for what that waits for: a foreign source, and when `isAbort` anything.
   */
  protected interveneNow(isAbort: boolean): void {
    if (this.#waitingFor === SOURCE) {
      // SOURCE: the top frame is the one that waits.
      const frame = this.top!;
      // One that can be closed stays on the stack, to be closed and waited for as the others
      // are; only an abort does not wait for what is pending.
      if (isAbort || !frame.closesWhilePending) {
        this.top = frame.below;
        if (frame.closesWhilePending) closeQuietly(frame, this.reason);
      }
    } else if (
      // It ends the run as soon as it comes to look.
      this.#waitingFor === NOTHING || (!isAbort && !this.isOpening)
    ) return;
    this.#turn++;
    this.#waitingFor = NOTHING;
    this.isWaitingForFrame = false;
    this.drive();
  }

  /**
   * Pushes what the top frame, an asynchronous one, gives until something must be looked at. False:
   * a cancel has taken the run over. Small on purpose: what an async function holds is saved and
   * restored around each await (1.2 times the time when this is a part of `drive`).
   */
  async #pushAsync(frame: Frame, turn: number): Promise<boolean> {
    const iterator = frame.source as AnyIterator<unknown>;
    const { push } = frame;
    do {
      this.#waitingFor = SOURCE;
      const result = await iterator.next();
      if (turn !== this.#turn) return this.#wake(frame, result);
      this.#waitingFor = NOTHING;
      if (result.done) {
        this.#ended(frame);
        return true;
      }
      const wait = push(result.value);
      if (wait !== undefined) {
        this.#waitingFor = CHAIN;
        await wait;
        if (turn !== this.#turn) return false;
        this.#waitingFor = NOTHING;
      }
    } while (--this.countdown > 0 && !this.interrupt);
    return true;
  }

  /** The same for a frame of ours, or of batches, whose next element is `pending`. */
  async #pushPending(
    frame: Frame,
    turn: number,
    pending: PromiseLike<unknown>,
  ): Promise<boolean> {
    for (;;) {
      this.#waitingFor = SOURCE;
      const result = await pending;
      if (turn !== this.#turn) {
        return this.#wake(frame, result as IteratorResult<unknown>);
      }
      this.#waitingFor = NOTHING;
      this.isWaitingForFrame = false;
      let wait = this.deliver(frame, result);
      for (;;) {
        if (wait !== undefined) {
          this.#waitingFor = CHAIN;
          await wait;
          if (turn !== this.#turn) return false;
          this.#waitingFor = NOTHING;
        }
        if (
          --this.countdown <= 0 || this.interrupt || frame.kind !== PULL
        ) return true;
        this.isReading = true;
        const next = (frame.source as PullableIterator<unknown>).pull();
        this.isReading = false;
        if (isThenable(next)) {
          pending = this.waitForFrame(next);
          break;
        }
        wait = this.deliver(frame, next);
      }
    }
  }

  /** The frame's source has ended by itself. */
  #ended(frame: Frame): void {
    this.leave(frame);
    (frame.source as AnyIterator<unknown>).release?.();
  }

  /** A wait has failed; if it was for the source of `frame`, that one is not closed. */
  #failed(frame: Frame | undefined, error: unknown): void {
    if (frame !== undefined) this.#ended(frame);
    this.#waitingFor = NOTHING;
    this.isWaitingForFrame = false;
    this.isOpening = false;
    this.fail(error);
  }

  /** A next() has come back after a cancel that did not wait for it. */
  #wake(frame: Frame, result: IteratorResult<unknown> | undefined): false {
    let hasEnded = false;
    try {
      hasEnded = frame.kind === BATCH
        ? result === undefined
        : Boolean(result?.done);
    } catch (error) {
      reportLate(STOPPED, error, this.reason);
    }
    if (!hasEnded && !frame.closesWhilePending) {
      closeQuietly(frame, this.reason);
    }
    return false;
  }
}
