/**
 * The one reading of a source that several readers share. The source is read as soon as one of
 * them asks, and each has a bounded buffer of its own.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { report } from "../../_internal/errors.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import {
  idleTimers,
  type TimerEntry,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
import { StreamConsumedError } from "../errors.ts";
import type { PullableIterator, Wait } from "../engine/types.ts";
import type { Plan } from "../engine/plan.ts";
import { Relay, type RelaySource, SharedFailure } from "../engine/relay.ts";
import {
  closeLost,
  Upstream,
  type UpstreamReader,
} from "../../_internal/upstream.ts";

/** After so many milliseconds of waiting for a reader that has not begun, a message tells. */
const STALL = 5000;

/** How much a branch holds, and what becomes of one element more. */
export interface Buffering {
  readonly buffer: number;
  readonly overflow: string;
}

/** One reader of a shared source. */
export class Branch<T> implements RelaySource {
  readonly relay = new Relay<T>(this);
  readonly #owner: Shared<never>;
  /** Waits for an element: its relay is empty and was asked. */
  isAsking = false;
  /** Somebody has begun to read it. */
  isStarted = false;
  /** It was left, has ended or failed. */
  isGone = false;
  /** Its reader has had a turn of the event loop since the buffer became full. */
  hadTurn = false;

  constructor(owner: Shared<never>) {
    this.#owner = owner;
  }

  demand(): void {
    this.isStarted = true;
    if (this.relay.size > 0) return;
    if (!this.isAsking) {
      this.isAsking = true;
      this.#owner.asking++;
    }
    this.#owner.flow();
  }

  taken(): void {
    this.hadTurn = false;
    this.#owner.flow();
  }

  close(reason: unknown): Wait {
    this.gone();
    return this.#owner.left(this as unknown as Branch<never>, reason);
  }

  /** See Relay.offer. One that asks has room. */
  give(value: T, mayExceed?: boolean): boolean {
    const { buffer, overflow } = this.#owner;
    this.#answered();
    const isKept = this.relay.offer(value, buffer, overflow, mayExceed);
    this.#owner.filled(this as unknown as Branch<never>);
    return isKept;
  }

  /** It is read no more, or there is nothing more to read. */
  gone(): void {
    this.isGone = true;
    this.#answered();
  }

  #answered(): void {
    if (!this.isAsking) return;
    this.isAsking = false;
    this.#owner.asking--;
  }

  /** The relay as the origin of a stream that can be read once. */
  open(): PullableIterator<T> {
    if (this.isStarted) throw new StreamConsumedError("branch of a stream");
    this.isStarted = true;
    this.#owner.filled(this as unknown as Branch<never>);
    return this.relay;
  }
}

// Invariants: the source is read only while a branch asks (`asking` counts them) and none is
// `blocking`; so no buffer ever has more than `buffer` elements. A branch whose buffer is full is
// in `full`, unless it was looked at and neither blocks nor waits for its turn; it comes back when
// its reader begins. The source is closed when nobody is left to read it.
//
// One that nobody has begun to read may block for ever: whether it will be read, nobody can know.
// So nothing fails, but after some time a message says what is waiting for what.
//
// A full buffer that does not block makes the source pause for one turn of the event loop: a
// source that has everything at once would otherwise overflow the second reader before that one
// could begin.
/** The one reading that the branches share. */
export abstract class Shared<T> implements UpstreamReader<T>, TimerTarget {
  protected readonly branches = new Set<Branch<never>>();
  readonly buffer: number;
  readonly overflow: string;
  /** How many branches ask. */
  asking = 0;
  readonly #full = new Set<Branch<never>>();
  #isPausing = false;
  /** Set while one waits for another that nobody has begun to read. */
  #stalling: TimerEntry | undefined = undefined;
  #hasToldStall = false;
  #upstream: Upstream<T> | undefined;
  #isOver = false;
  readonly #plan: Plan<T>;

  constructor(plan: Plan<T>, { buffer, overflow }: Buffering) {
    this.#plan = plan;
    this.buffer = buffer;
    this.overflow = overflow;
  }

  /** One more reader. */
  branch<B>(): Branch<B> {
    const branch = new Branch<B>(this as unknown as Shared<never>);
    this.branches.add(branch as unknown as Branch<never>);
    return branch;
  }

  /** Whether this branch makes the source wait. */
  protected abstract isBlocking(branch: Branch<never>): boolean;
  /** Whether the source is still needed. */
  protected abstract get isNeeded(): boolean;
  abstract arrived(value: T): void;

  flow(): void {
    try {
      this.#upstream ??= new Upstream(this.#plan.iterate(), this);
    } catch (error) {
      this.failed(error);
      return;
    }
    this.#upstream.flow();
  }

  wants(): boolean {
    if (this.asking === 0 || this.#isPausing) return false;
    for (const branch of this.#full) {
      if (!branch.isGone && branch.relay.size >= this.buffer) {
        if (this.isBlocking(branch)) {
          if (!branch.isStarted) this.#stall();
          return false;
        }
        if (!branch.hadTurn) {
          branch.hadTurn = true;
          this.#pause();
          return false;
        }
      }
      this.#full.delete(branch);
    }
    this.#endStall();
    return true;
  }

  /** The branch got an element, or its reader began. */
  filled(branch: Branch<never>): void {
    if (branch.relay.size >= this.buffer) this.#full.add(branch);
  }

  #stall(): void {
    if (this.#stalling !== undefined || this.#hasToldStall) return;
    this.#stalling = idleTimers.add(now() + STALL, this);
  }

  #endStall(): void {
    if (this.#stalling === undefined) return;
    idleTimers.remove(this.#stalling);
    this.#stalling = undefined;
  }

  timeUp(): void {
    this.#stalling = undefined;
    this.#hasToldStall = true;
    report(
      "A stream does not go on",
      `one of its readers asks for an element, and another, whose buffer of ${this.buffer} is full, has not been begun for ${
        STALL / 1000
      } s. Read them at the same time (Promise.all), leave the one that is not needed, ` +
        "raise the option buffer, or choose an overflow policy.",
    );
  }

  async #pause(): Promise<void> {
    this.#isPausing = true;
    // Two: a reader that is itself pausing for a turn, since it was busy for long, goes on after the
    // first.
    await macrotask();
    await macrotask();
    this.#isPausing = false;
    this.flow();
  }

  ended(): void {
    for (const branch of this.#settle()) branch.relay.end();
  }

  failed(error: unknown): void {
    this.#fail(this.#settle(), error);
  }

  /** A branch was left: the others go on; the last one closes the source. */
  left(branch: Branch<never>, reason: unknown): Wait {
    this.branches.delete(branch);
    this.#full.delete(branch);
    this.#endStall();
    if (this.isNeeded) {
      if (this.#upstream !== undefined) this.#upstream.flow();
      return undefined;
    }
    for (const branch of this.#settle()) this.leftBehind(branch);
    const upstream = this.#upstream ??
      new Upstream(this.#plan.iterate(), this);
    return upstream.close(reason);
  }

  /** A branch that nobody reads, when those that were read have been left. */
  protected leftBehind(branch: Branch<never>): void {
    branch.relay.end();
  }

  /** Closes the source, then fails every reader with something that is not its failure. */
  protected async failAll(error: unknown): Promise<void> {
    const branches = this.#settle();
    if (this.#upstream !== undefined) await closeLost([this.#upstream], error);
    this.#fail(branches, error);
  }

  #fail(branches: readonly Branch<never>[], error: unknown): void {
    const failure = new SharedFailure(error, branches.length);
    for (const branch of branches) branch.relay.failAlso(failure);
  }

  /** Whether the reading has ended, failed or been closed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** All branches, which are over now. */
  #settle(): Branch<never>[] {
    this.#isOver = true;
    this.#endStall();
    const branches = [...this.branches];
    this.branches.clear();
    this.#full.clear();
    for (const branch of branches) branch.gone();
    return branches;
  }
}
