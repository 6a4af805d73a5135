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
  Origin,
  PullableIterator,
  Push,
  RunAccess,
  Wait,
} from "../engine/engine.ts";
import { Relay, type RelaySource } from "../engine/relay.ts";
import {
  discardSource,
  enterSource,
  openIterator,
  SourceOrigin,
  type StreamSource,
} from "../engine/source.ts";
import {
  type Closable,
  closeAll,
  closeLost,
  combined,
  reportLate,
  Upstream,
  type UpstreamReader,
} from "../../_internal/upstream.ts";

/** Opens all sources; when one cannot be opened the others are closed. */
function openAll<T>(
  sources: readonly StreamSource<T>[],
  reader: UpstreamReader<T>,
): Upstream<T>[] {
  const upstreams: Upstream<T>[] = [];
  try {
    for (const source of sources) {
      upstreams.push(new Upstream(openIterator(source), reader));
    }
  } catch (error) {
    closeLost(upstreams, error);
    throw error;
  }
  return upstreams;
}

/** Fails the relay; if its consumer has left in the meantime the failure is reported. */
function tell(relay: { fail(error: unknown): boolean }, error: unknown): void {
  if (!relay.fail(error)) reportLate(error);
}

/** Closes sources when the consumer stops. */
async function closeStopped(
  upstreams: readonly Closable[],
  reason: unknown,
): Promise<void> {
  const errors = await closeAll(upstreams, reason);
  if (errors.length > 0) {
    throw combined(errors, "Several sources failed to close");
  }
}

// Invariant: of each source that is not over, exactly one thing holds: its next() is pending, or
// it is in `delivered` since its last element went to the relay. Those are read again only when
// the relay is empty: so no more than one element a source is ever held, the order in the relay
// is the order of arrival, and none is read twice before another that has something is heard.
/** Elements of several sources as they come. */
class Merge<T> implements RelaySource, UpstreamReader<T> {
  readonly relay = new Relay<T>(this);
  readonly #sources: readonly StreamSource<T>[];
  #upstreams: Upstream<T>[] | undefined = undefined;
  #delivered: Upstream<T>[] = [];
  /** The other array of the two that take turns. */
  #spare: Upstream<T>[] = [];
  #active = 0;
  #errors: unknown[] = [];

  constructor(sources: readonly StreamSource<T>[]) {
    this.#sources = sources;
  }

  demand(): void {
    if (this.#upstreams === undefined) this.#open();
    if (this.relay.size > 0 || this.#errors.length > 0) return;
    const delivered = this.#delivered;
    this.#delivered = this.#spare;
    for (const upstream of delivered) upstream.read();
    delivered.length = 0;
    this.#spare = delivered;
  }

  #open(): void {
    try {
      this.#upstreams = openAll(this.#sources, this);
    } catch (error) {
      this.relay.fail(error);
      return;
    }
    this.#active = this.#upstreams.length;
    this.#delivered = this.#upstreams.slice();
    if (this.#active === 0) this.relay.end();
  }

  arrived(value: T, upstream: Upstream<T>): void {
    this.#delivered.push(upstream);
    this.relay.push(value);
  }

  ended(): void {
    if (--this.#active === 0 && this.#errors.length === 0) this.relay.end();
  }

  failed(error: unknown): void {
    this.#errors.push(error);
    if (this.#errors.length > 1) return;
    this.#fail(error);
  }

  close(reason: unknown): Wait {
    if (this.#upstreams !== undefined) {
      return closeStopped(this.#upstreams ?? [], reason);
    }
    return discardAll(this.#sources, reason);
  }

  async #fail(error: unknown): Promise<void> {
    const upstreams = this.#upstreams ?? [];
    this.#errors.push(...await closeAll(upstreams, error));
    tell(this.relay, combined(this.#errors, "Several merged sources failed"));
  }
}

/** Closes sources that were never opened. */
async function discardAll(
  sources: readonly StreamSource<unknown>[],
  reason: unknown,
): Promise<void> {
  const errors: unknown[] = [];
  for (const source of sources) {
    try {
      await discardSource(source, reason);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) {
    throw combined(errors, "Several sources failed to close");
  }
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

/** Sources one after the other, each opened in its turn; the ones never reached are closed. */
class Sources<T> implements PullableIterator<() => StreamSource<T>> {
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

/** The sources of a concat(). */
export class SourcesOrigin<T> implements Origin<() => StreamSource<T>> {
  readonly isRepeatable: boolean;
  readonly #sources: readonly StreamSource<T>[];

  constructor(sources: readonly StreamSource<T>[]) {
    this.#sources = sources;
    this.isRepeatable = areRepeatable(sources);
  }

  open(run: RunAccess, level: number, push: Push<() => StreamSource<T>>): Wait {
    run.enterPullable(level, push, new Sources(this.#sources));
    return undefined;
  }

  discard(reason: unknown): Wait {
    return discardAll(this.#sources, reason);
  }
}

/** Whether all of them can be read again. Checks their types. */
export function areRepeatable(
  sources: readonly StreamSource<unknown>[],
): boolean {
  return sources.map((source) => new SourceOrigin(source))
    .every((origin) => origin.isRepeatable);
}

/** See AsyncStream.merge. */
export function merge<T>(
  sources: readonly StreamSource<T>[],
): PullableIterator<T> {
  return new Merge(sources).relay;
}

/** One element of each source at a time. */
class Zip implements RelaySource, UpstreamReader<unknown> {
  readonly relay = new Relay<unknown[]>(this);
  readonly #sources: readonly StreamSource<unknown>[];
  #upstreams: Upstream<unknown>[] | undefined = undefined;
  #row: unknown[] = [];
  #missing = 0;

  constructor(sources: readonly StreamSource<unknown>[]) {
    this.#sources = sources;
  }

  demand(): void {
    if (this.#upstreams === undefined) {
      try {
        this.#upstreams = openAll(this.#sources, this);
      } catch (error) {
        this.relay.fail(error);
        return;
      }
      if (this.#upstreams.length === 0) this.relay.end();
    }
    if (this.#missing > 0 || this.relay.size > 0) return;
    this.#row = new Array(this.#upstreams.length);
    this.#missing = this.#upstreams.length;
    for (const upstream of this.#upstreams) {
      upstream.read();
      // One that has ended at once: the rest need not be read.
      if (this.relay.isOver || upstream.isOver) return;
    }
  }

  arrived(value: unknown, upstream: Upstream<unknown>): void {
    // Set: one of them arrived.
    this.#row[this.#upstreams!.indexOf(upstream)] = value;
    if (--this.#missing === 0) this.relay.push(this.#row);
  }

  async ended(): Promise<void> {
    const errors = await closeAll(this.#upstreams ?? []);
    if (errors.length === 0) this.relay.end();
    else tell(this.relay, combined(errors, "Several sources failed to close"));
  }

  async failed(error: unknown): Promise<void> {
    await closeLost(this.#upstreams ?? [], error);
    tell(this.relay, error);
  }

  close(reason: unknown): Wait {
    return this.#upstreams === undefined
      ? discardAll(this.#sources, reason)
      : closeStopped(this.#upstreams ?? [], reason);
  }
}

/** See AsyncStream.zip. */
export function zip(
  sources: readonly StreamSource<unknown>[],
): PullableIterator<unknown[]> {
  return new Zip(sources).relay;
}
