/**
 * The iterator of a stream that only maps, for a caller that asks for several elements at once:
 * k pending `next()` calls run k mappers, as the async iterator helpers do, and are answered in
 * order. One call after the other costs what it costs without this.
 *
 * @module
 */
import { closesWhilePending, DONE } from "../_internal/iterators.ts";
import { isThenable } from "../_internal/thenable.ts";
import type { Mapper } from "./operators/element.ts";
import type { PullIterator } from "./pull_iterator.ts";

type Answer<T> = Promise<IteratorResult<T>>;

// Invariants: the source answers in the order of its reads, so elements reach the first mapper in
// order. `last` is the answer to the latest next(), as long as it is pending; each answer waits
// for the one before. `isOver` is set once, by the end, a failure or return(): every answer after
// the one that set it is "done". `inFlight` holds the mapper calls that have not ended; a failure
// and return() wait for them.
/** See the module. */
export class MappedIterator<T> implements AsyncIterableIterator<T> {
  readonly [closesWhilePending] = true;
  readonly #source: PullIterator<unknown>;
  readonly #mappers: readonly Mapper<unknown, unknown>[];
  /** The index that each mapper is given next. */
  readonly #indexes: number[];
  readonly #inFlight = new Set<PromiseLike<unknown>>();
  #last: Answer<T> | undefined = undefined;
  #isOver = false;

  constructor(
    source: PullIterator<unknown>,
    mappers: readonly Mapper<unknown, unknown>[],
  ) {
    this.#source = source;
    this.#mappers = mappers;
    this.#indexes = mappers.map(() => 0);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Answer<T> {
    if (this.#isOver && this.#last === undefined) return Promise.resolve(DONE);
    if (this.#last !== undefined) return this.#queue(this.#source.next());
    let result;
    try {
      result = this.#source.pull();
    } catch (error) {
      this.#isOver = true;
      return Promise.reject(error);
    }
    if (isThenable(result)) return this.#queue(result);
    if (result.done) {
      this.#isOver = true;
      return Promise.resolve(DONE);
    }
    let mapped;
    try {
      mapped = this.#map(result.value, 0);
    } catch (error) {
      return this.#keep(this.#fail(error));
    }
    return isThenable(mapped)
      ? this.#queue(
        mapped.then(element) as PromiseLike<IteratorResult<T>>,
        true,
      )
      : Promise.resolve({ done: false, value: mapped as T });
  }

  async return(reason?: unknown): Answer<T> {
    if (this.#isOver) return DONE;
    this.#isOver = true;
    await this.#source.return(reason);
    await Promise.allSettled(this.#inFlight);
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
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
      .then((value) => this.#isOver ? undefined : this.#map(value, place));
    this.#inFlight.add(mapping);
    const done = () => void this.#inFlight.delete(mapping);
    mapping.then(done, done);
    return mapping;
  }

  /** Answers with what `coming` brings (an element as it is read, or mapped), in its turn. */
  #queue(coming: PromiseLike<unknown>, isMapped = false): Answer<T> {
    const mapped = isMapped ? coming : coming.then((result) => {
      const { done, value } = result as IteratorResult<unknown>;
      if (done || this.#isOver) return DONE;
      const mapped = this.#map(value, 0);
      return isThenable(mapped)
        ? mapped.then(element)
        : { done: false, value: mapped };
    });
    // The one before may end the stream: then nobody looks at this one.
    mapped.then(undefined, () => {});
    return this.#keep(this.#answer(this.#last, mapped as Answer<T>));
  }

  async #answer(before: Answer<T> | undefined, mapped: Answer<T>): Answer<T> {
    if (before !== undefined) await before.then(undefined, () => {});
    if (this.#isOver) return DONE;
    let result;
    try {
      result = await mapped;
    } catch (error) {
      return await this.#fail(error);
    }
    if (this.#isOver) return DONE;
    if (result.done) this.#isOver = true;
    return result;
  }

  /** Closes the source (which knows whether it failed by itself), waits for the rest, and fails. */
  async #fail(error: unknown): Promise<never> {
    this.#isOver = true;
    await this.#source.return(error);
    await Promise.allSettled(this.#inFlight);
    throw error;
  }

  /** Makes `answer` the one that the next one waits for. */
  #keep(answer: Answer<T>): Answer<T> {
    this.#last = answer;
    const done = () => {
      if (this.#last === answer) this.#last = undefined;
    };
    answer.then(done, done);
    return answer;
  }
}

function element(value: unknown): IteratorResult<unknown> {
  return { done: false, value };
}
