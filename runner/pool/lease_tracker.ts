/**
 * The memory of the leases that are out, and of where they were acquired.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { LeaseLeakError } from "./errors.ts";
import type { LeaseInfo } from "./types.ts";

interface Holding {
  readonly place: CallPlace;
  readonly since: number;
}

/**
 * Remembers the leases that are out and where they were acquired. Holds none of them alive: a
 * lease that is garbage collected before its end is reported.
 */
export class LeaseTracker {
  readonly #out = new Set<Holding>();
  readonly #notes = new WeakMap<object, Holding>();
  readonly #registry: FinalizationRegistry<Holding>;

  constructor(leaked: (error: LeaseLeakError) => void) {
    this.#registry = new FinalizationRegistry((holding) => {
      this.#out.delete(holding);
      leaked(new LeaseLeakError(String(holding.place)));
    });
  }

  /** A lease went out. */
  began(lease: object, place: CallPlace): void {
    const holding: Holding = { place, since: now() };
    this.#out.add(holding);
    this.#notes.set(lease, holding);
    this.#registry.register(lease, holding, lease);
  }

  /** It was given back. */
  ended(lease: object): void {
    const holding = this.#notes.get(lease);
    if (holding !== undefined) this.#out.delete(holding);
    this.#registry.unregister(lease);
  }

  /** Those that are out, the longest first. */
  list(): LeaseInfo[] {
    const time = now();
    return Array.from(
      this.#out,
      ({ place, since }) => ({
        acquiredAt: String(place),
        heldFor: time - since,
      }),
    );
  }
}

/**
 * A call's place in the program. Formatted when it is asked for, which is seldom: writing a stack
 * out costs a hundred times what capturing it does.
 */
export class CallPlace {
  stack?: string;

  /** The place of whoever called `below`. */
  constructor(below: (...args: never[]) => unknown) {
    const { captureStackTrace } = Error as {
      captureStackTrace?: (target: object, below: unknown) => void;
    };
    if (captureStackTrace === undefined) this.stack = new Error().stack ?? "";
    else captureStackTrace(this, below);
  }

  /** The frames, one to a line. */
  toString(): string {
    const lines = (this.stack ?? "").split("\n");
    const first = lines.findIndex((line) => /^\s*at |@/.test(line));
    return lines.slice(Math.max(first, 0)).join("\n") || "(no stack)";
  }
}
