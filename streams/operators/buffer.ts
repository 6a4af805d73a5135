/**
 * Reading ahead: the source goes on while the consumer is busy.
 *
 * @module
 */
import type { PullableIterator, Wait } from "../engine/engine.ts";
import type { Plan } from "../engine/plan.ts";
import { Relay, type RelaySource } from "../engine/relay.ts";
import { Upstream, type UpstreamReader } from "../../_internal/upstream.ts";

/** Keeps up to `size` elements ready. */
class Buffer<T> implements RelaySource, UpstreamReader<T> {
  readonly relay = new Relay<T>(this);
  readonly #upstream: Upstream<T>;
  readonly #size: number;

  constructor(plan: Plan<T>, size: number) {
    this.#upstream = new Upstream(plan.iterate(), this);
    this.#size = size;
  }

  demand(): void {
    this.#upstream.flow();
  }

  taken(): void {
    this.#upstream.flow();
  }

  wants(): boolean {
    return this.relay.size < this.#size;
  }

  arrived(value: T): void {
    this.relay.push(value);
  }

  ended(): void {
    this.relay.end();
  }

  failed(error: unknown): void {
    this.relay.fail(error);
  }

  close(reason: unknown): Wait {
    return this.#upstream.close(reason);
  }
}

/** See AsyncStream.buffer. */
export function buffer<T>(plan: Plan<T>, size: number): PullableIterator<T> {
  return new Buffer(plan, size).relay;
}
