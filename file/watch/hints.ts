/**
 * What the system said, until it is due: each path once, with when it is to be looked at.
 *
 * Invariant: hints are in the order in which they were first heard, so their times rise; there are never
 * more than MOST_HINTS.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";

const MOST_HINTS = 10_000;
/** Hints this close to those that are due belong to the same happening (the two ends of a rename). */
const GRACE = 5;

/** Paths that something was heard of. */
export class WatchHints {
  readonly #debounce: number;
  readonly #hints: Map<string, { kind: string; due: number }> = new Map();

  constructor(debounce: number) {
    this.#debounce = debounce;
  }

  /** When the first is to be looked at, on the `performance.now()` line. */
  get due(): number {
    for (const { due } of this.#hints.values()) return due;
    return Infinity;
  }

  /** Notes that `kind` was heard of `path`. False: there is no room for one more. */
  add(path: string, kind: string): boolean {
    const known = this.#hints.get(path);
    if (known !== undefined) {
      // A path that came up again may be another file: that says more than a write to it.
      if (kind !== "modify") known.kind = kind;
      return true;
    }
    if (this.#hints.size >= MOST_HINTS) return false;
    this.#hints.set(path, { kind, due: now() + this.#debounce });
    return true;
  }

  /** What is due at `time`, by path. */
  take(time: number): Map<string, string> {
    const taken = new Map<string, string>();
    for (const [path, { kind, due }] of this.#hints) {
      if (due > time + Math.min(GRACE, this.#debounce)) break;
      taken.set(path, kind);
      this.#hints.delete(path);
    }
    return taken;
  }

  clear(): void {
    this.#hints.clear();
  }
}
