/**
 * Several sources as one: merged as they come, side by side, or one after the other.
 *
 * @module
 */
import { closesWhilePending, DONE } from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { functionNamed } from "../../_internal/validate.ts";
import type {
  Mapper,
  Operator,
  PullableIterator,
  Wait,
} from "../engine/types.ts";
import { Relay, type RelaySource } from "../engine/relay.ts";
import {
  discardSource,
  enterSource,
  openIterator,
  SourceOrigin,
  type StreamSource,
} from "../engine/source.ts";
import {
  closeAll,
  closeLost,
  Upstream,
  type UpstreamReader,
} from "../../_internal/upstream.ts";

/** Several sources that are read side by side, from the first pull on. */
abstract class Combined<T, U> implements RelaySource, UpstreamReader<T> {
  readonly relay: Relay<U> = new Relay<U>(this);
  readonly #sources: readonly StreamSource<T>[];
  protected upstreams: readonly Upstream<T>[] | undefined = undefined;

  constructor(sources: readonly StreamSource<T>[]) {
    this.#sources = sources;
  }

  abstract arrived(value: T, upstream: Upstream<T>): void;
  abstract ended(): void;
  /** Asks those that have nothing on its way. */
  protected abstract readNext(upstreams: readonly Upstream<T>[]): void;

  demand(): void {
    if (this.upstreams === undefined) this.#open();
    if (this.upstreams !== undefined) this.readNext(this.upstreams);
  }

  /** Opens all; when one cannot be opened the others are closed. */
  #open(): void {
    const upstreams: Upstream<T>[] = [];
    try {
      for (const source of this.#sources) {
        upstreams.push(new Upstream(openIterator(source), this));
      }
    } catch (error) {
      closeLost(upstreams, error);
      return this.relay.fail(error);
    }
    this.upstreams = upstreams;
    if (upstreams.length === 0) this.relay.end();
  }

  /** The first one: from here on the others are closed, and tell of their failures themselves. */
  async failed(error: unknown): Promise<void> {
    await closeLost(this.upstreams ?? [], error);
    this.relay.fail(error);
  }

  close(reason: unknown): Wait {
    return this.upstreams === undefined
      ? discardAll(this.#sources, reason)
      : closeAll(this.upstreams, reason);
  }
}

// Invariant: of each source that is not over, exactly one thing holds: its next() is pending, or
// it is in `delivered` since its last element went to the relay. Those are read again only when
// the relay is empty: so no more than one element a source is ever held, the order in the relay
// is the order of arrival, and none is read twice before another that has something is heard.
/** Elements of several sources as they come. See AsyncStream.merge. */
export class Merge<T> extends Combined<T, T> {
  #delivered: Upstream<T>[] | undefined = undefined;
  /** The other array of the two that take turns. */
  #spare: Upstream<T>[] = [];
  #ended = 0;

  protected override readNext(upstreams: readonly Upstream<T>[]): void {
    if (this.relay.size > 0) return;
    const delivered = this.#delivered ?? upstreams.slice();
    this.#delivered = this.#spare;
    for (const upstream of delivered) upstream.read();
    delivered.length = 0;
    this.#spare = delivered;
  }

  override arrived(value: T, upstream: Upstream<T>): void {
    this.#delivered!.push(upstream); // Set: it was read.
    this.relay.push(value);
  }

  override ended(): void {
    if (++this.#ended === this.upstreams?.length) this.relay.end();
  }
}

/** Closes sources that were never opened. Rejects with the first failure, and tells of the others. */
function discardAll(
  sources: readonly StreamSource<unknown>[],
  reason: unknown,
): Promise<void> {
  return closeAll(
    sources.map((source) => ({
      close: (reason) => discardSource(source, reason),
    })),
    reason,
  );
}

/**
 * The elements of fn(value), for each value. An inner source is opened when its turn comes and
 * closed when the stream stops; nothing is read ahead.
 */
export function flatMap<T, U>(
  fn: Mapper<T, StreamSource<U>>,
): Operator<T, U> {
  functionNamed("fn", fn);
  return (next, run, level) => {
    let index = 0;
    const enter = (source: StreamSource<U>): Wait => {
      if (typeof source === "string") {
        // As in Iterator.prototype.flatMap: its characters are hardly ever what is meant.
        throw new TypeError(
          "flatMap() was given a string to flatten. Wrap it in an array, or spread it for its characters.",
        );
      }
      if (Array.isArray(source)) {
        if (source.length === 0) return undefined;
        if (source.length === 1 && !isThenable(source[0])) {
          return next(source[0]);
        }
      }
      return enterSource(run, level + 1, next, source);
    };
    return (value) => {
      const source = fn(value, index++);
      return isThenable(source)
        ? Promise.resolve(source as PromiseLike<StreamSource<U>>).then((
          source,
        ) =>
          // Stopped in the meantime: not opened, only closed.
          run.isStopped(level)
            ? discardSource(source, undefined)
            : enter(source)
        )
        : enter(source as StreamSource<U>);
    };
  };
}

/** What concat() flattens: each source is opened in its turn, the ones never reached are closed. */
export class Sources<T> implements PullableIterator<() => StreamSource<T>> {
  readonly [closesWhilePending] = true;
  readonly #sources: readonly StreamSource<T>[];
  #next = 0;

  constructor(sources: readonly StreamSource<T>[]) {
    this.#sources = sources;
  }

  next(): IteratorResult<() => StreamSource<T>> {
    return this.pull();
  }

  pull(): IteratorResult<() => StreamSource<T>> {
    if (this.#next === this.#sources.length) return DONE;
    // Within the array. A function: the source itself may be one that flatMap refuses, a string.
    const source = this.#sources[this.#next++]!;
    return { done: false, value: () => source };
  }

  return(reason?: unknown): Wait {
    return discardAll(this.#sources.slice(this.#next), reason);
  }
}

/** Whether all of them can be read again. Checks their types. */
export function areRepeatable(
  sources: readonly StreamSource<unknown>[],
): boolean {
  return sources.map((source) => new SourceOrigin(source))
    .every((origin) => origin.isRepeatable);
}

/** One element of each source at a time. See AsyncStream.zip. */
export class Zip extends Combined<unknown, unknown[]> {
  #row: unknown[] = [];
  #missing = 0;

  protected override readNext(upstreams: readonly Upstream<unknown>[]): void {
    if (this.#missing > 0 || this.relay.size > 0) return;
    this.#row = new Array(upstreams.length);
    this.#missing = upstreams.length;
    for (const upstream of upstreams) {
      upstream.read();
      // One that has ended at once: the rest need not be read.
      if (this.relay.isOver || upstream.isOver) return;
    }
  }

  override arrived(value: unknown, upstream: Upstream<unknown>): void {
    // Set: one of them arrived.
    this.#row[this.upstreams!.indexOf(upstream)] = value;
    if (--this.#missing === 0) this.relay.push(this.#row);
  }

  override ended(): void {
    closeAll(this.upstreams ?? []).then(
      () => this.relay.end(),
      (error) => this.relay.fail(error),
    );
  }
}
