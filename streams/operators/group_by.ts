/**
 * One source, several readers of a part of it each: groupBy, partition.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import {
  type Checks,
  functionNamed,
  show,
  takeOptions,
} from "../../_internal/validate.ts";
import type {
  Mapper,
  Operator,
  Predicate,
  PullableIterator,
} from "../engine/types.ts";
import type { Plan, ReadingOperator } from "../engine/plan.ts";
import { StreamConsumedError, StreamOverflowError } from "../errors.ts";
import { bufferChecks, type StreamOverflow } from "../options.ts";
import { map } from "./element.ts";
import { type Branch, type Buffering, Shared } from "./shared.ts";

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

const CHECKS: Checks<GroupOptions> = bufferChecks();

const DEFAULTS = { buffer: 64, overflow: "error" } as const;

function takeGroup(what: string, options: GroupOptions) {
  return takeOptions(what, options, CHECKS, DEFAULTS);
}

/** [key, value]. */
function keyed<K, T>(keyOf: Mapper<T, K>): Operator<T, [K, T]> {
  return map((value, index): [K, T] | PromiseLike<[K, T]> => {
    const key = keyOf(value, index);
    return isThenable(key)
      ? (key as PromiseLike<K>).then((key): [K, T] => [key, value])
      : [key as K, value];
  });
}

// Invariant: a branch that somebody reads makes the source wait when it is full; one that nobody
// reads never does, and never holds more than `buffer` elements.
/** Each element goes to one branch. */
abstract class Routed<T> extends Shared<T> {
  protected override isBlocking(branch: Branch<never>): boolean {
    return branch.isStarted && branch.relay.size >= this.buffer;
  }

  protected route<V>(value: V, branch: Branch<V>, name: () => string): void {
    // One that is read blocks when it is full: this element was on its way already.
    if (branch.isGone || branch.give(value, branch.isStarted)) return;
    this.failAll(
      new StreamOverflowError(`${name()}, which nobody reads,`, this.buffer),
    );
  }
}

// Invariant: a group stays in `groups` when it is left, so that its later elements are dropped
// and not taken for a new group.
/** Each element goes to the branch of its key; a new key makes a new one. */
class Groups<K, T, S> extends Routed<[K, T]> {
  readonly #groups = new Map<K, Branch<T>>();
  readonly outer: Branch<[K, S]>;
  readonly #makeStream: (open: () => PullableIterator<T>) => S;

  constructor(
    plan: Plan<[K, T]>,
    buffering: Buffering,
    makeStream: (open: () => PullableIterator<T>) => S,
  ) {
    super(plan, buffering);
    this.#makeStream = makeStream;
    this.outer = this.branch<[K, S]>();
  }

  protected override get isNeeded(): boolean {
    if (!this.outer.isGone) return true;
    for (const branch of this.branches) if (branch.isStarted) return true;
    return false;
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
      if (this.outer.isGone) return;
      const made = group = this.branch<T>();
      this.#groups.set(key, made);
      this.outer.give([key, this.#makeStream(() => made.open())]);
    }
    this.route(value, group, () => `The group ${show(key)}`);
  }
}

/** See AsyncStream.groupBy. */
export function groupBy<K, T, S>(
  keyOf: Mapper<T, K>,
  options: GroupOptions,
  makeStream: (open: () => PullableIterator<T>) => S,
): ReadingOperator<T, [K, S]> {
  functionNamed("keyOf", keyOf);
  const taken = takeGroup("groupBy()", options);
  return (plan) =>
    new Groups(plan.then(keyed(keyOf)), taken, makeStream).outer.relay;
}

/** Each element goes to one of two branches. */
class Partition<T> extends Routed<[unknown, T]> {
  readonly passing = this.branch<T>();
  readonly failing = this.branch<T>();

  protected override get isNeeded(): boolean {
    return this.branches.size > 0;
  }

  override arrived([passes, value]: [unknown, T]): void {
    if (passes) this.route(value, this.passing, () => "The first part");
    else this.route(value, this.failing, () => "The second part");
  }
}

/** See AsyncStream.partition: a function for each part that opens it. */
export function partition<T>(
  plan: Plan<T>,
  predicate: Predicate<T>,
  options: GroupOptions,
): [() => PullableIterator<T>, () => PullableIterator<T>] {
  functionNamed("predicate", predicate);
  const { passing, failing } = new Partition(
    plan.then(keyed<unknown, T>(predicate)),
    takeGroup("partition()", options),
  );
  return [() => passing.open(), () => failing.open()];
}
