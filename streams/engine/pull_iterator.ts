/**
 * One run of a stream as an async iterator: each `next()` reads the source until one element has
 * come through.
 *
 * @module
 */
import { closesWhilePending, DONE, nextOf } from "../../_internal/iterators.ts";
import { Ring } from "../../_internal/ring.ts";
import type { Run } from "./engine.ts";
import type { PullableIterator, Push, Wait } from "./types.ts";
import type { Frame } from "./frame.ts";

/** Somebody who waits for an element: told once, later. */
export interface Waiter<T> {
  /** The element, or the end. */
  resolve(result: IteratorResult<T>): void;
  /** The failure. */
  reject(error: unknown): void;
}

/** The sink of a run that is read by an iterator. */
export function outputSink(run: Run, level: number): Push<unknown> {
  return (value) => {
    // Cancelled by the very function that made the value: nobody is left to take it.
    if (run.isStopped(level)) return undefined;
    run.output = value;
    run.hasOutput = run.interrupt = true;
    return undefined;
  };
}

// Invariant: `waiting` is the next() call that the driven run works for, and `queue` holds the
// later ones, in order; the queue is empty when `waiting` is undefined. So at most one next() has
// the run at a time, and answers come in the order of the calls.
/** See the module. */
export class PullIterator<T>
  implements PullableIterator<T>, AsyncIterableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #run: Run;
  #waiting: Waiter<T> | undefined = undefined;
  #queue: Ring<Waiter<T>> | undefined = undefined;
  #hasToldFailure = false;

  /** `run` must have been made with `outputSink`. */
  constructor(run: Run) {
    this.#run = run;
    run.onFinish(() => this.#settle());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    const frame = this.#run.direct();
    if (frame !== undefined) {
      return Promise.resolve({
        done: false,
        value: frame.items[frame.index++] as T,
      });
    }
    return nextOf(this);
  }

  pull(): IteratorResult<T> | Promise<IteratorResult<T>> {
    if (this.#waiting !== undefined || this.#run.isDriving) {
      return new Promise((resolve, reject) => {
        (this.#queue ??= new Ring()).push({ resolve, reject });
      });
    }
    const run = this.#run;
    if (run.finished) return this.#end();
    const wait = run.step();
    if (run.hasOutput) return this.#give();
    if (run.finished) return this.#end();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#go(wait);
    });
  }

  /** See Run.direct. */
  direct(): Frame | undefined {
    return this.#run.direct();
  }

  /** `pull` without a promise: answers now, or `waiter` later (then it returns undefined). */
  ask(waiter: Waiter<T>): IteratorResult<T> | undefined {
    if (this.#waiting !== undefined || this.#run.isDriving) {
      (this.#queue ??= new Ring()).push(waiter);
      return undefined;
    }
    const run = this.#run;
    if (run.finished) return this.#end();
    const wait = run.step();
    if (run.hasOutput) return this.#give();
    if (run.finished) return this.#end();
    this.#waiting = waiter;
    this.#go(wait);
    return undefined;
  }

  /** The output of a step. A next() that was called within that step comes after it. */
  #give(): IteratorResult<T> {
    const result = this.#take();
    if (this.#queue !== undefined && this.#waiting === undefined) {
      this.#waiting = this.#queue.shift();
      if (this.#waiting !== undefined) this.#go(this.#run.step());
    }
    return result;
  }

  #go(wait: Wait): void {
    const run = this.#run;
    if (run.hasOutput || run.finished) {
      this.#settle();
      return;
    }
    const reading = wait === undefined ? run.read() : undefined;
    if (reading === undefined) run.drive(wait).then(this.#driven);
    else reading.then(this.#arrived, this.#readFailed);
  }

  readonly #arrived = (result: IteratorResult<unknown>): void => {
    const run = this.#run;
    const wait = run.arrived(result);
    if (wait === false) return;
    if (run.hasOutput && this.#queue === undefined) {
      // Set as long as something is driven for it.
      const waiter = this.#waiting!;
      this.#waiting = undefined;
      waiter.resolve(this.#take());
    } else run.drive(wait).then(this.#driven);
  };

  readonly #readFailed = (error: unknown): void => {
    if (this.#run.readFailed(error)) this.#run.drive().then(this.#driven);
  };

  async return(reason?: unknown): Promise<IteratorResult<T>> {
    const run = this.#run;
    if (run.finished) return DONE;
    await run.cancel(undefined, reason);
    if (run.failure !== undefined && !this.#hasToldFailure) {
      this.#hasToldFailure = true;
      throw run.failure.error;
    }
    return DONE;
  }

  /** Fails with `reason`, and closes the source without waiting for what is pending. */
  abort(reason: unknown): Promise<void> {
    return this.#run.cancel({ reason });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #take(): IteratorResult<T> {
    const run = this.#run;
    const value = run.output as T;
    run.output = undefined;
    run.hasOutput = false;
    return { done: false, value };
  }

  #end(): IteratorResult<T> {
    const { failure } = this.#run;
    if (failure === undefined || this.#hasToldFailure) return DONE;
    this.#hasToldFailure = true;
    throw failure.error;
  }

  readonly #driven = (isOurs: boolean): void => {
    if (isOurs) this.#settle();
  };

  /** Answers the waiting next() calls with what the run has come to. */
  #settle(): void {
    const run = this.#run;
    // Asked for while the run was being closed.
    if (run.finished) this.#waiting ??= this.#queue?.shift();
    while (this.#waiting !== undefined) {
      const waiter = this.#waiting;
      if (run.hasOutput) waiter.resolve(this.#take());
      else if (run.finished) {
        try {
          waiter.resolve(this.#end());
        } catch (error) {
          waiter.reject(error);
        }
      } else return;
      this.#waiting = this.#queue?.shift();
      if (this.#waiting === undefined || run.finished) continue;
      const wait = run.step();
      if (run.hasOutput || run.finished) continue;
      this.#go(wait);
      return;
    }
  }
}
