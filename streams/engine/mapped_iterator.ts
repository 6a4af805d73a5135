/**
 * The iterator of a stream that only maps, for a caller that asks for several elements at once:
 * k pending `next()` calls run k mappers, as the async iterator helpers do, and are answered in
 * order. One call after the other costs what it costs without this.
 *
 * @module
 */
import { DONE } from "../../_internal/iterators.ts";
import { reportLate } from "../../_internal/late_failure.ts";
import { isThenable } from "../../_internal/thenable.ts";
import type { Mapper } from "./types.ts";
import type { PullIterator, Waiter } from "./pull_iterator.ts";
import { STOPPED, UNCLOSED } from "../../_internal/upstream.ts";
import { ClosedOnce } from "./wrapped.ts";

type Answer<T> = Promise<IteratorResult<T>>;

// Invariants: the source answers in the order of its reads, so elements reach the first mapper in
// order. `outstanding` answers are pending, `last` is the latest of them; an answer that is asked
// for while another is pending waits for it. `isOver` is set once, by the end, a failure or
// return(): every answer after the one that set it is "done". `inFlight` holds the mapper calls
// that were made while others were pending; a failure and return() wait for them.
/** See the module. */
export class MappedIterator<T> extends ClosedOnce<T>
  implements AsyncIterableIterator<T> {
  readonly #source: PullIterator<unknown>;
  readonly #mappers: readonly Mapper<unknown, unknown>[];
  /** The index that each mapper is given next. */
  readonly #indexes: number[];
  readonly #inFlight = new Set<PromiseLike<unknown>>();
  #last: Answer<T> | undefined = undefined;
  #outstanding = 0;
  /** What it was stopped for: a failure, or the reason of return(). */
  #reason: unknown = undefined;

  constructor(
    source: PullIterator<unknown>,
    mappers: readonly Mapper<unknown, unknown>[],
  ) {
    super();
    this.#source = source;
    this.#mappers = mappers;
    this.#indexes = mappers.map(() => 0);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Answer<T> {
    if (this.#outstanding > 0) return this.#queue();
    if (this.isOver) return Promise.resolve(DONE);
    try {
      const frame = this.#source.direct();
      let value;
      if (frame !== undefined) value = frame.items[frame.index++];
      else {
        const reading = new Reading<T>(this);
        const result = this.#source.ask(reading);
        if (result === undefined) {
          this.#outstanding++;
          return this.#last = new Promise((resolve, reject) => {
            reading.answer = resolve;
            reading.fail = reject;
          });
        }
        if (result.done) {
          this.isOver = true;
          return Promise.resolve(DONE);
        }
        value = result.value;
      }
      const mapped = this.#map(value, 0);
      return isThenable(mapped)
        ? this.#last = this.#track(this.#mapping(mapped))
        : Promise.resolve({ done: false, value: mapped as T });
    } catch (error) {
      return this.#last = this.#track(this.#fail(error));
    }
  }

  protected override async close(reason: unknown): Promise<void> {
    this.#reason = reason;
    await this.#source.return(reason);
    await Promise.allSettled(this.#inFlight);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The element of the only pending answer was read. @internal */
  arrived(reading: Reading<T>, result: IteratorResult<unknown>): void {
    if (result.done || this.isOver) {
      this.#outstanding--;
      this.isOver = true;
      reading.answer(DONE);
      return;
    }
    let mapped;
    try {
      mapped = this.#map(result.value, 0);
    } catch (error) {
      this.failed(reading, error);
      return;
    }
    const give = (value: unknown) => {
      this.#outstanding--;
      reading.answer(this.isOver ? DONE : { done: false, value: value as T });
    };
    if (isThenable(mapped)) {
      mapped.then(give, (error) => this.failed(reading, error));
    } else give(mapped);
  }

  /** It, or its mapper, failed. @internal */
  failed(reading: Reading<T>, error: unknown): void {
    this.#fail(error).catch((error) => {
      this.#outstanding--;
      reading.fail(error);
    });
  }

  /** One more while others are pending: read and mapped now, answered in its turn. */
  #queue(): Answer<T> {
    const mapped = this.#source.next().then((result) => {
      if (result.done || this.isOver) return DONE;
      const mapped = this.#map(result.value, 0);
      return isThenable(mapped)
        ? mapped.then(element)
        : { done: false as const, value: mapped };
    });
    // The one before may end the stream: then nobody looks at this one.
    mapped.catch(() => {});
    return this.#last = this.#track(
      this.#answer(this.#last, mapped as Answer<T>),
    );
  }

  async #answer(before: Answer<T> | undefined, mapped: Answer<T>): Answer<T> {
    if (before !== undefined) await before.then(undefined, () => {});
    if (this.isOver) {
      mapped.catch((error) => reportLate(STOPPED, error, this.#reason));
      return DONE;
    }
    let result;
    try {
      result = await mapped;
    } catch (error) {
      return await this.#fail(error);
    }
    if (this.isOver) return DONE;
    if (result.done) this.isOver = true;
    return result;
  }

  async #mapping(mapped: PromiseLike<unknown>): Answer<T> {
    let value;
    try {
      value = await mapped;
    } catch (error) {
      return await this.#fail(error);
    }
    return this.isOver ? DONE : { done: false, value: value as T };
  }

  /** Counts `answer` as pending until it settles. */
  #track(answer: Answer<T>): Answer<T> {
    this.#outstanding++;
    return answer.finally(() => this.#outstanding--);
  }

  /** The mapped element, from the mapper at `place` on. */
  #map(value: unknown, place: number): unknown {
    for (; place < this.#mappers.length; place++) {
      // Both exist: within the arrays.
      value = this.#mappers[place]!(value, this.#indexes[place]!++);
      if (isThenable(value)) return this.#mapLater(value, place + 1);
    }
    return value;
  }

  #mapLater(value: PromiseLike<unknown>, place: number): Promise<unknown> {
    const mapping = Promise.resolve(value)
      .then((value) => this.isOver ? undefined : this.#map(value, place));
    this.#inFlight.add(mapping);
    const done = () => void this.#inFlight.delete(mapping);
    mapping.then(done, done);
    return mapping;
  }

  /** Closes the source (which knows whether it failed by itself), waits for the rest, and fails. */
  async #fail(error: unknown): Promise<never> {
    this.isOver = true;
    await this.closing.begin(this.close(error)).catch((second) =>
      reportLate(UNCLOSED, second, error)
    );
    throw error;
  }
}

/** The usual case: the only pending answer, its element being read. */
class Reading<T> implements Waiter<unknown> {
  readonly #owner: MappedIterator<T>;
  // Set before anything can call them: the source answers later, never within `ask`.
  answer!: (result: IteratorResult<T>) => void;
  fail!: (error: unknown) => void;

  constructor(owner: MappedIterator<T>) {
    this.#owner = owner;
  }

  resolve(result: IteratorResult<unknown>): void {
    this.#owner.arrived(this, result);
  }

  reject(error: unknown): void {
    this.#owner.failed(this, error);
  }
}

function element(value: unknown): IteratorResult<unknown> {
  return { done: false, value };
}
