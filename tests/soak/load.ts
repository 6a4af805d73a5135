/**
 * What the loads of the soak have in common.
 *
 * @module
 */
import type { AsyncRunner } from "../../runner/mod.ts";

/** What all loads share: that is where leaks gather. */
export interface SoakContext {
  /** One runner for everything. */
  readonly runner: AsyncRunner;
  /** A signal that never aborts and that everything is given. */
  readonly signal: AbortSignal;
  /** A server that misbehaves; without a slash at the end. */
  readonly origin: string;
  /** An empty directory of this load's own. */
  directory(): Promise<string>;
}

/** One random program. It rejects when something that must hold does not. */
export type Load = (random: Random, context: SoakContext) => Promise<void>;

/** What a load makes fail on purpose. */
export class Fault extends Error {
  override readonly name = "Fault";
}

/** Fails the load unless it is true. */
export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`does not hold: ${what}`);
}

/** Resolves after so many milliseconds; not cancellable, as work that ignores its signal is. */
export function pause(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}

/** A generator of random numbers (mulberry32) that gives the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** True so often. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of them. */
  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.integer(0, values.length - 1)] ?? values[0];
  }
}
