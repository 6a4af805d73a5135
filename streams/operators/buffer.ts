/**
 * Reading ahead: the source goes on while the consumer is busy.
 *
 * @module
 */
import { Upstream, type UpstreamReader } from "../../_internal/upstream.ts";
import { integer } from "../../_internal/validate.ts";
import type { Wait } from "../engine/types.ts";
import type { Plan, ReadingOperator } from "../engine/plan.ts";
import { Relay, type RelaySource } from "../engine/relay.ts";

/** One source and one relay: reads on, at each pull and as elements are taken, while it `wants`. */
export abstract class ReadAhead<T, U>
  implements RelaySource, UpstreamReader<T> {
  readonly relay: Relay<U> = new Relay<U>(this);
  protected readonly upstream: Upstream<T>;

  constructor(plan: Plan<T>) {
    this.upstream = new Upstream(plan.iterate(), this);
  }

  /** Whether there is room for one more. */
  abstract wants(): boolean;
  /** One element was read. */
  abstract arrived(value: T): void;

  demand(): void {
    this.upstream.flow();
  }

  taken(): void {
    this.upstream.flow();
  }

  ended(): void {
    this.relay.end();
  }

  failed(error: unknown): void {
    this.relay.fail(error);
  }

  close(reason: unknown): Wait {
    return this.upstream.close(reason);
  }
}

/** Keeps up to `size` elements ready. */
class Buffer<T> extends ReadAhead<T, T> {
  readonly #size: number;

  constructor(plan: Plan<T>, size: number) {
    super(plan);
    this.#size = size;
  }

  override wants(): boolean {
    return this.relay.size < this.#size;
  }

  override arrived(value: T): void {
    this.relay.push(value);
  }
}

/** See AsyncStream.buffer. */
export function buffer<T>(size: number): ReadingOperator<T, T> {
  integer("size", size, 1);
  return (plan) => new Buffer(plan, size).relay;
}
