/**
 * One source, several readers: tee, broadcast, partition, groupBy. The source is read once, as
 * soon as one reader asks, and each reader has a bounded buffer of its own.
 *
 * @module
 */
import { macrotask } from "../../_internal/macrotask.ts";
import { StreamConsumedError, StreamOverflowError } from "../errors.ts";
import type { PullableIterator, Wait } from "../engine.ts";
import type { StreamOverflow } from "../from_events.ts";
import type { Plan } from "../plan.ts";
import { Relay, type RelaySource } from "../relay.ts";
import { closeLost, Upstream, type UpstreamReader } from "../upstream.ts";

/** What becomes of an element for which the buffer of one reader has no room. */
export type SharedOverflow = "wait" | StreamOverflow;

/** How several readers share one source. */
export interface ShareOptions {
  /** How many elements each reader may be behind the foremost one. @default {16} */
  buffer?: number | undefined;
  /**
   * What a reader that is so far behind does to the others: `"wait"` makes them wait for it,
   * `"drop-oldest"` and `"drop-newest"` drop elements for it, `"error"` fails it with a
   * StreamOverflowError. @default {"wait"}
   */
  overflow?: SharedOverflow | undefined;
}

/** How groups (and parts) that nobody reads are kept. */
export interface GroupOptions {
  /** How many unread elements a group may have. @default {64} */
  buffer?: number | undefined;
  /**
   * What becomes of one more in a group that nobody reads: `"error"` fails the stream. A group
   * that somebody reads makes the source wait instead. @default {"error"}
   */
  overflow?: StreamOverflow | undefined;
}

/** One reader of a shared source. */
class Branch<T> implements RelaySource {
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

  give(value: T): void {
    this.#answered();
    this.relay.push(value);
    this.#owner.filled(this as unknown as Branch<never>);
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
// A full buffer that does not block makes the source pause for one turn of the event loop: a
// source that has everything at once would otherwise overflow the second reader before that one
// could begin.
/** The one reading that the branches share. */
abstract class Shared<T> implements UpstreamReader<T> {
  protected readonly branches = new Set<Branch<never>>();
  protected readonly buffer: number;
  /** How many branches ask. */
  asking = 0;
  readonly #full = new Set<Branch<never>>();
  #isPausing = false;
  #upstream: Upstream<T> | undefined;
  #isOver = false;
  readonly #plan: Plan<T>;

  constructor(plan: Plan<T>, buffer: number) {
    this.#plan = plan;
    this.buffer = buffer;
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
        if (this.isBlocking(branch)) return false;
        if (!branch.hadTurn) {
          branch.hadTurn = true;
          this.#pause();
          return false;
        }
      }
      this.#full.delete(branch);
    }
    return true;
  }

  /** The branch got an element, or its reader began. */
  filled(branch: Branch<never>): void {
    if (branch.relay.size >= this.buffer) this.#full.add(branch);
  }

  async #pause(): Promise<void> {
    this.#isPausing = true;
    await macrotask();
    this.#isPausing = false;
    this.flow();
  }

  ended(): void {
    for (const branch of this.#settle()) branch.relay.end();
  }

  failed(error: unknown): void {
    for (const branch of this.#settle()) branch.relay.fail(error);
  }

  /** A branch was left: the others go on; the last one closes the source. */
  left(branch: Branch<never>, reason: unknown): Wait {
    this.branches.delete(branch);
    this.#full.delete(branch);
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
    for (const branch of branches) branch.relay.fail(error);
  }

  /** Whether the reading has ended, failed or been closed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** All branches, which are over now. */
  #settle(): Branch<never>[] {
    this.#isOver = true;
    const branches = [...this.branches];
    this.branches.clear();
    this.#full.clear();
    for (const branch of branches) branch.gone();
    return branches;
  }
}

/** Every branch gets every element. */
class Tee<T> extends Shared<T> {
  readonly #overflow: SharedOverflow;

  constructor(plan: Plan<T>, buffer: number, overflow: SharedOverflow) {
    super(plan, buffer);
    this.#overflow = overflow;
  }

  add(): Branch<T> {
    const branch = new Branch<T>(this as unknown as Shared<never>);
    this.branches.add(branch as unknown as Branch<never>);
    return branch;
  }

  protected override get isNeeded(): boolean {
    return this.branches.size > 0;
  }

  protected override isBlocking(branch: Branch<never>): boolean {
    return this.#overflow === "wait" && branch.relay.size >= this.buffer;
  }

  override arrived(value: T): void {
    for (const branch of this.branches as unknown as Set<Branch<T>>) {
      if (branch.relay.size < this.buffer || branch.relay.isAwaited) {
        branch.give(value);
      } else if (this.#overflow === "drop-oldest") {
        branch.relay.drop();
        branch.give(value);
      } else if (this.#overflow === "error") {
        branch.gone();
        this.branches.delete(branch as unknown as Branch<never>);
        branch.relay.fail(
          new StreamOverflowError("A reader of a shared stream", this.buffer),
        );
      }
    }
  }
}

/** See AsyncStream.tee: so many functions that each open one branch. */
export function tee<T>(
  plan: Plan<T>,
  count: number,
  buffer: number,
  overflow: SharedOverflow,
): (() => PullableIterator<T>)[] {
  const shared = new Tee(plan, buffer, overflow);
  return Array.from({ length: count }, () => {
    const branch = shared.add();
    return () => branch.open();
  });
}

/** See AsyncStream.broadcast: a function that opens a branch of what is being read now. */
export function broadcast<T>(
  plan: Plan<T>,
  buffer: number,
  overflow: SharedOverflow,
): () => PullableIterator<T> {
  let shared: Tee<T> | undefined;
  return () => {
    if (shared === undefined || shared.isOver) {
      shared = new Tee(plan, buffer, overflow);
    }
    return shared.add().open();
  };
}

// Invariant: a group stays in `groups` when it is left, so that its later elements are dropped
// and not taken for a new group.
/** Each element goes to the branch of its key; a new key makes a new one. */
class Groups<K, T, S> extends Shared<[K, T]> {
  readonly #groups = new Map<K, Branch<T>>();
  readonly #outer: Branch<[K, S]>;
  readonly #overflow: StreamOverflow;
  readonly #makeStream: (open: () => PullableIterator<T>) => S;

  constructor(
    plan: Plan<[K, T]>,
    buffer: number,
    overflow: StreamOverflow,
    makeStream: (open: () => PullableIterator<T>) => S,
  ) {
    super(plan, buffer);
    this.#overflow = overflow;
    this.#makeStream = makeStream;
    this.#outer = this.#branch<[K, S]>();
  }

  get outer(): PullableIterator<[K, S]> {
    return this.#outer.relay;
  }

  #branch<B>(): Branch<B> {
    const branch = new Branch<B>(this as unknown as Shared<never>);
    this.branches.add(branch as unknown as Branch<never>);
    return branch;
  }

  protected override get isNeeded(): boolean {
    if (!this.#outer.isGone) return true;
    for (const branch of this.branches) if (branch.isStarted) return true;
    return false;
  }

  protected override isBlocking(branch: Branch<never>): boolean {
    return branch.isStarted && branch.relay.size >= this.buffer;
  }

  /** The rest of it is not read: should somebody come for it later, it must not look whole. */
  protected override leftBehind(branch: Branch<never>): void {
    branch.relay.fail(
      new StreamConsumedError("group whose groupBy() was left"),
    );
  }

  override arrived([key, value]: [K, T]): void {
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#outer.isGone) return;
      const made = group = this.#branch<T>();
      this.#groups.set(key, made);
      this.#outer.give([key, this.#makeStream(() => made.open())]);
    }
    if (group.isGone) return;
    // One that is read blocks when it is full: this element was on its way already.
    if (group.relay.size < this.buffer || group.isStarted) {
      group.give(value);
    } else if (this.#overflow === "drop-oldest") {
      group.relay.drop();
      group.give(value);
    } else if (this.#overflow === "error") {
      this.failAll(
        new StreamOverflowError(
          `The group ${String(key)}, which nobody reads,`,
          this.buffer,
        ),
      );
    }
  }
}

/** See AsyncStream.groupBy. */
export function groupBy<K, T, S>(
  plan: Plan<[K, T]>,
  buffer: number,
  overflow: StreamOverflow,
  makeStream: (open: () => PullableIterator<T>) => S,
): PullableIterator<[K, S]> {
  return new Groups(plan, buffer, overflow, makeStream).outer;
}

/** Each element goes to one of two branches. */
class Partition<T> extends Shared<[boolean, T]> {
  readonly #overflow: StreamOverflow;
  readonly passing: Branch<T>;
  readonly failing: Branch<T>;

  constructor(
    plan: Plan<[boolean, T]>,
    buffer: number,
    overflow: StreamOverflow,
  ) {
    super(plan, buffer);
    this.#overflow = overflow;
    this.passing = new Branch<T>(this as unknown as Shared<never>);
    this.failing = new Branch<T>(this as unknown as Shared<never>);
    this.branches.add(this.passing as unknown as Branch<never>);
    this.branches.add(this.failing as unknown as Branch<never>);
  }

  protected override get isNeeded(): boolean {
    return this.branches.size > 0;
  }

  protected override isBlocking(branch: Branch<never>): boolean {
    return branch.isStarted && branch.relay.size >= this.buffer;
  }

  override arrived([passes, value]: [boolean, T]): void {
    const branch = passes ? this.passing : this.failing;
    if (branch.isGone) return;
    // One that is read blocks when it is full: this element was on its way already.
    if (branch.relay.size < this.buffer || branch.isStarted) {
      branch.give(value);
    } else if (this.#overflow === "drop-oldest") {
      branch.relay.drop();
      branch.give(value);
    } else if (this.#overflow === "error") {
      this.failAll(
        new StreamOverflowError(
          `The ${
            passes ? "first" : "second"
          } part of partition(), which nobody reads,`,
          this.buffer,
        ),
      );
    }
  }
}

/** See AsyncStream.partition. */
export function partition<T>(
  plan: Plan<[boolean, T]>,
  buffer: number,
  overflow: StreamOverflow,
): [() => PullableIterator<T>, () => PullableIterator<T>] {
  const { passing, failing } = new Partition(plan, buffer, overflow);
  return [() => passing.open(), () => failing.open()];
}
