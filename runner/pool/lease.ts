/**
 * A lease, and the memory of those that are out.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { LeaseLeakError, LeaseReleasedError } from "./errors.ts";
import type { Lease, LeaseInfo } from "./types.ts";

/** What a lease needs of its pool: the entry is the pool's own note of the resource. */
export interface LeaseOwner<R, E extends { readonly resource: R }> {
  /** The resource is free again. */
  giveBack(entry: E): void;
  /** The resource is to be ended. */
  retire(entry: E): Promise<void>;
  /** Where leases are remembered, if they are. */
  readonly tracker: LeaseTracker | undefined;
}

const DONE = Promise.resolve();

/** Invariant: `#entry` is set exactly until the lease is given back, which happens once. */
export class PoolLease<R, E extends { readonly resource: R }>
  implements Lease<R> {
  readonly #owner: LeaseOwner<R, E>;
  #entry: E | undefined;

  constructor(owner: LeaseOwner<R, E>, entry: E) {
    this.#owner = owner;
    this.#entry = entry;
  }

  get resource(): R {
    if (this.#entry === undefined) throw new LeaseReleasedError("resource");
    return this.#entry.resource;
  }

  get isReleased(): boolean {
    return this.#entry === undefined;
  }

  release(): void {
    this.#owner.giveBack(this.#end("release()"));
  }

  destroy(): Promise<void> {
    return this.#owner.retire(this.#end("destroy()"));
  }

  [Symbol.dispose](): void {
    if (this.#entry !== undefined) this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#entry !== undefined) this.release();
    return DONE;
  }

  #end(what: string): E {
    const entry = this.#entry;
    if (entry === undefined) throw new LeaseReleasedError(what);
    this.#entry = undefined;
    this.#owner.tracker?.ended(this);
    return entry;
  }
}

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
