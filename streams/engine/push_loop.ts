/**
 * The push loop: the sources that a run has open, one in another, and how their elements are
 * pushed through the operators for as long as nothing has to be waited for.
 *
 * @module
 */
import type { Wait } from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
import { closeQuietly, Frame, NO_ITEMS } from "./frame.ts";
import { later } from "./later.ts";
import { Pace } from "./pace.ts";
import {
  ARRAY,
  ASYNC,
  BATCH,
  type BatchSource,
  PULL,
  type PullableIterator,
  type Push,
  type SourceOfKind,
  SYNC,
} from "./types.ts";

// Invariants:
// - `top` is the innermost frame; levels rise strictly from the bottom to the top, since only an
//   operator below the frame that is being read can enter another. A frame is taken off the
//   stack before it is closed, ends or fails: so it is closed at most once, and never after its
//   end or failure.
// - Operators of a level below `stopLevel` have seen their last element: a frame of such a level
//   is closed instead of read.
// - `output` holds at most one element, and nothing is read while it does.
// - `isReading` is set exactly while the top frame's source is asked: what throws then is the
//   source, which is done and not to be closed.
/** See the module. */
export abstract class PushLoop {
  /** Set by whatever the loop must look at: a stop, an output, a new frame. */
  interrupt = false;
  hasOutput = false;
  /** The element for the iterator's consumer, while `hasOutput`. */
  output: unknown = undefined;
  finished = false;
  /** See the invariants. */
  stopLevel = 0;
  protected top: Frame | undefined = undefined;
  protected isReading = false;
  /** Whether the thenable that `advance` returned is the top frame's pending next(). */
  protected isWaitingForFrame = false;
  /** Why an early closing happens; passed on to ReadableStreams. */
  protected reason: unknown = undefined;
  /** Where the elements end up: a frame that pushes there is a direct one. */
  protected sink: Push<unknown> | undefined = undefined;
  readonly #pace = new Pace();
  /** How many elements until the next look at the pace. */
  protected countdown = 16;

  /** The stack is empty: opens the source, goes on with what is left to do, or finishes. */
  protected abstract proceed(): Wait;
  /** A source, or something that its elements were pushed to, has failed. */
  protected abstract fail(error: unknown): void;

  /** No more elements for the operator at `level` and those above it. */
  stop(level: number): void {
    if (level >= this.stopLevel) this.stopLevel = level + 1;
    this.interrupt = true;
  }

  /** Whether an element that arrives late at `level` has nobody to go to. */
  isStopped(level: number): boolean {
    return level < this.stopLevel;
  }

  /** Pushes what a source has before anything else is taken from above. */
  enter<K extends keyof SourceOfKind>(
    kind: K,
    level: number,
    push: Push<never>,
    source: SourceOfKind[K],
  ): void {
    const items = kind === ARRAY ? source as readonly unknown[] : NO_ITEMS;
    const frame = new Frame(kind, level, push as Push<unknown>, source, items);
    this.interrupt = true;
    if (this.finished) {
      // It was opened by something that a cancel did not wait for.
      closeQuietly(frame, this.reason);
      return;
    }
    frame.isDirect = kind === BATCH && push === this.sink;
    frame.below = this.top;
    this.top = frame;
  }

  /**
   * Goes as far as it can without waiting. Afterwards there is an output, or the run is
   * finished, or the returned thenable must settle first, or (undefined) the top frame is
   * asynchronous. Never throws.
   */
  protected advance(): Wait {
    while (!this.finished && !this.hasOutput) {
      if (this.countdown <= 0) {
        // An asynchronous source's own waiting tells nothing of how long the pushing takes.
        const pause = this.#pace.look(this.top?.kind === ASYNC ? 16 : 1);
        this.countdown = this.#pace.stride;
        if (pause !== undefined) return pause;
      }
      this.interrupt = false;
      const frame = this.top;
      try {
        let wait: Wait;
        if (frame === undefined) wait = this.proceed();
        else if (frame.level < this.stopLevel) {
          this.top = frame.below;
          wait = frame.close(this.reason);
        } else if (frame.kind === SYNC) wait = this.#pushSync(frame);
        else if (frame.kind === ARRAY) wait = this.#pushArray(frame);
        else if (frame.kind === PULL) wait = this.#pushOurs(frame);
        else if (frame.kind === BATCH) wait = this.#pushBatches(frame);
        // Asynchronous: read by who can wait for it, in one loop with its await.
        else return undefined;
        if (wait !== undefined) return wait;
      } catch (error) {
        // The frame is there: a source was asked.
        if (this.isReading) this.leave(frame!);
        this.fail(error);
      }
    }
    return undefined;
  }

  /** A frame's source has ended or failed. */
  protected leave(frame: Frame): void {
    this.isReading = false;
    this.interrupt = true;
    this.top = frame.below;
  }

  // The loops: each goes on until its source is exhausted, the countdown is over, something must
  // be looked at (`interrupt`) or waited for. One small function for each kind: the compiler does
  // better with them than with one that has it all.

  #pushArray(frame: Frame): Wait {
    const { items, push } = frame;
    let left = this.countdown;
    let wait: Wait;
    do {
      if (frame.index >= items.length) {
        this.leave(frame);
        break;
      }
      const value = items[frame.index++];
      wait = isThenable(value) ? this.#pushLater(frame, value) : push(value);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.countdown = left;
    return wait;
  }

  #pushSync(frame: Frame): Wait {
    const iterator = frame.source as Iterator<unknown>;
    const { push } = frame;
    let left = this.countdown;
    let wait: Wait;
    do {
      this.isReading = true;
      const result = iterator.next();
      this.isReading = false;
      if (result.done) {
        this.leave(frame);
        break;
      }
      const { value } = result;
      wait = isThenable(value) ? this.#pushLater(frame, value) : push(value);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.countdown = left;
    return wait;
  }

  #pushOurs(frame: Frame): Wait {
    const iterator = frame.source as PullableIterator<unknown>;
    let left = this.countdown;
    let wait: Wait;
    do {
      this.isReading = true;
      const result = iterator.pull();
      this.isReading = false;
      wait = isThenable(result)
        ? this.waitForFrame(result)
        : this.deliver(frame, result);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.countdown = left;
    return wait;
  }

  #pushBatches(frame: Frame): Wait {
    const { push } = frame;
    let left = this.countdown;
    let wait: Wait;
    do {
      if (frame.index < frame.items.length) {
        wait = push(frame.items[frame.index++]);
        continue;
      }
      this.isReading = true;
      const items = (frame.source as BatchSource<unknown>).pull();
      this.isReading = false;
      wait = isThenable(items)
        ? this.waitForFrame(items)
        : this.deliver(frame, items);
    } while (--left > 0 && !this.interrupt && wait === undefined);
    this.countdown = left;
    return wait;
  }

  /** An element that is a promise, unless the stream is stopped before it is there. */
  #pushLater(frame: Frame, thenable: PromiseLike<unknown>): Wait {
    return later(this, frame.level, thenable, frame.push);
  }

  /** The top frame's next() is pending. */
  protected waitForFrame(thenable: PromiseLike<unknown>): PromiseLike<unknown> {
    this.isWaitingForFrame = true;
    return thenable;
  }

  /** What the next() of a frame of ours, or of one of batches, has brought. */
  protected deliver(frame: Frame, result: unknown): Wait {
    if (frame.kind === BATCH) {
      if (result === undefined) this.leave(frame);
      else {
        // Anything else would be taken for an empty batch, for ever.
        if (!Array.isArray(result)) throw noBatch(result);
        frame.items = result;
        frame.index = 0;
      }
      return undefined;
    }
    const { done, value } = result as IteratorResult<unknown>;
    if (!done) return frame.push(value);
    this.leave(frame);
    return undefined;
  }
}

function noBatch(result: unknown): TypeError {
  return new TypeError(
    `pull() of a source of batches must return an array, or undefined at the end, got ${
      show(result)
    }`,
  );
}
