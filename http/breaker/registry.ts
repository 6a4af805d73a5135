/**
 * One circuit breaker for each origin.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { finiteDuration, integer } from "../../_internal/validate.ts";
import type {
  CircuitBreaker,
  CircuitBreakerOptions,
} from "./circuit_breaker.ts";
import { CircuitState } from "./circuit_state.ts";

/** Options of `CircuitBreaker.perOrigin`. */
export interface BreakerRegistryOptions extends CircuitBreakerOptions {
  /** A closed breaker not used for so many milliseconds is forgotten. @default {600000} */
  idleTimeout?: number | undefined;
  /** At most so many are kept; above it, the one used longest ago goes. @default {10000} */
  maxOrigins?: number | undefined;
}

interface Entry {
  readonly breaker: CircuitBreaker;
  usedAt: number;
}

/**
 * One circuit breaker for each origin, so that one dead server does not cut off the others. Made
 * by `CircuitBreaker.perOrigin(options)`.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@specify/async-core";
 *
 * const breakers = CircuitBreaker.perOrigin({ failureThreshold: 3 });
 * breakers.get("https://one.example").trip();
 * console.log(breakers.get("https://two.example").state); // "closed"
 * ```
 */
export class BreakerRegistry {
  readonly #make: (origin: string) => CircuitBreaker;
  readonly #idleTimeout: number;
  readonly #maxOrigins: number;
  readonly #entries = new Map<string, Entry>();
  #sweptAt = 0;

  /** Made by `CircuitBreaker.perOrigin`. */
  constructor(
    make: (origin: string) => CircuitBreaker,
    options: BreakerRegistryOptions,
  ) {
    this.#make = make;
    this.#idleTimeout = finiteDuration(
      "idleTimeout",
      options.idleTimeout ?? 600_000,
    );
    this.#maxOrigins = integer("maxOrigins", options.maxOrigins ?? 10_000, 1);
    // Wrong options fail here, not at the first request.
    make("");
  }

  /** How many origins have a breaker. */
  get size(): number {
    return this.#entries.size;
  }

  /** The origin's breaker, made if there is none. `time`: the present, if the caller knows it. */
  get(origin: string, time: number = now()): CircuitBreaker {
    // No timer: idle breakers cost only memory, so the next use is early enough to drop them.
    if (time - this.#sweptAt >= this.#idleTimeout) this.#sweep(time);
    let entry = this.#entries.get(origin);
    if (entry === undefined) {
      if (this.#entries.size >= this.#maxOrigins) this.#dropOldest();
      entry = { breaker: this.#make(origin), usedAt: time };
      this.#entries.set(origin, entry);
    }
    entry.usedAt = time;
    return entry.breaker;
  }

  /** The origins and their breakers. */
  *[Symbol.iterator](): IterableIterator<[string, CircuitBreaker]> {
    for (const [origin, { breaker }] of this.#entries) yield [origin, breaker];
  }

  #sweep(time: number): void {
    this.#sweptAt = time;
    for (const [origin, entry] of this.#entries) {
      if (
        time - entry.usedAt >= this.#idleTimeout &&
        // One that is open still protects; half-open it has nothing left to protect from.
        entry.breaker.state !== CircuitState.OPEN
      ) this.#entries.delete(origin);
    }
  }

  #dropOldest(): void {
    let oldest: string | undefined;
    let usedAt = Infinity;
    for (const [origin, entry] of this.#entries) {
      if (entry.usedAt < usedAt) {
        oldest = origin;
        usedAt = entry.usedAt;
      }
    }
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
