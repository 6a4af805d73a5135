/**
 * The order with limits by key: within a level the keys take turns, and a key whose places are
 * all taken steps aside without holding up the others. With aging, the key that has waited longest
 * may come before its turn.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { LinkedList } from "../../_internal/linked_list.ts";
import { isActive, type Job } from "./job.ts";
import type { TaskPriority } from "../priority.ts";
import {
  agedLevel,
  AgeIndex,
  elder,
  LEVELS,
  type WaitingQueue,
} from "./waiting_queue.ts";

/** The waiting jobs of one key in one level. A job without a key is a group of its own. */
class KeyGroup {
  readonly jobs: LinkedList<Job> = new LinkedList();
  readonly level: number;
  readonly state: KeyState | undefined;
  next: KeyGroup | undefined = undefined;
  previous: KeyGroup | undefined = undefined;
  /** Stands in the turn of its level; false while its key has no free place. */
  inTurn = false;
  count = 0;
  /** The sequence of its first job when that was last noted by OldestGroups; 0: not noted. */
  noted = 0;
  #index: AgeIndex | undefined = undefined;

  constructor(level: number, state: KeyState | undefined) {
    this.level = level;
    this.state = state;
  }

  /** Adds by age, so that a job that changes its level keeps its age within its key. */
  add(job: Job): void {
    const { last } = this.jobs;
    if (last === undefined || last.sequence < job.sequence) this.jobs.push(job);
    else {
      this.#index ??= new AgeIndex(
        this.jobs,
        (job) => job.extras?.waitsIn === this,
      );
      this.#index.insert(job);
    }
    this.count++;
  }
}

/** One key: how many of its jobs run, and its groups by level. */
interface KeyState {
  readonly key: PropertyKey;
  running: number;
  readonly groups: (KeyGroup | undefined)[];
}

/** The groups of a level, in turn. */
interface Turn {
  readonly groups: LinkedList<KeyGroup>;
  count: number;
  /** Only with aging. */
  readonly oldest: OldestGroups | undefined;
}

/** Strict priority between levels, keys in turn within a level, at most `maxPerKey` of a key. */
export class KeyedQueue implements WaitingQueue {
  // Invariant: a group exists exactly while it has jobs, is in turn exactly while its key has a
  // free place, and a key is in #keys exactly while it has a group or a running job; so a key
  // without work holds no memory. #startable counts the jobs of the groups in turn.
  readonly #turns: Turn[];
  readonly #keys = new Map<PropertyKey, KeyState>();
  readonly #maxPerKey: number;
  readonly #aging: number;
  #size = 0;
  #startable = 0;

  constructor(maxPerKey: number, aging: number) {
    this.#maxPerKey = maxPerKey;
    this.#aging = aging;
    this.#turns = Array.from({ length: LEVELS }, () => ({
      groups: new LinkedList<KeyGroup>(),
      count: 0,
      oldest: aging < Infinity ? new OldestGroups() : undefined,
    }));
  }

  get size(): number {
    return this.#size;
  }

  get startable(): number {
    return this.#startable;
  }

  has(job: Job): boolean {
    return job.extras?.waitsIn !== undefined;
  }

  push(job: Job): void {
    const { key } = job;
    let group: KeyGroup;
    if (key === undefined) group = new KeyGroup(job.priority, undefined);
    else {
      let state = this.#keys.get(key);
      if (state === undefined) {
        state = { key, running: 0, groups: [] };
        this.#keys.set(key, state);
      }
      group = state.groups[job.priority] ??= new KeyGroup(job.priority, state);
    }
    group.add(job);
    if (job.extras !== undefined) job.extras.waitsIn = group;
    this.#size++;
    if (group.inTurn) {
      this.#startable++;
      this.#noteAge(group);
    } else if (this.#hasPlace(group)) this.#enterTurn(group);
  }

  remove(job: Job): void {
    const group = this.#groupOf(job);
    group.jobs.remove(job);
    group.count--;
    this.#size--;
    if (group.inTurn) {
      this.#startable--;
      this.#noteAge(group);
    }
    if (group.count === 0) {
      if (group.inTurn) this.#leaveTurn(group);
      const { state } = group;
      if (state !== undefined) {
        state.groups[group.level] = undefined;
        this.#forget(state);
      }
    }
    if (job.extras !== undefined) job.extras.waitsIn = undefined;
  }

  move(job: Job, priority: TaskPriority): void {
    this.remove(job);
    job.priority = priority;
    this.push(job);
  }

  peek(): Job | undefined {
    if (this.#startable === 0) return undefined;
    if (this.#aging < Infinity) return this.#eldest();
    for (const { groups: { first } } of this.#turns) {
      if (first !== undefined) return first.jobs.first;
    }
    return undefined;
  }

  take(job: Job): void {
    const group = this.#groupOf(job);
    const { state } = group;
    if (state !== undefined && !this.#hasPlace(group)) {
      // As `admits` has found: the place is counted already, for the one that lends it.
      const lender = placeLender(job);
      if (lender?.extras !== undefined) lender.extras.placeBorrower = job;
      // A job of a keyed scheduler always has extras while it waits.
      job.extras!.placeLender = lender;
      this.remove(job);
    } else if (state !== undefined) {
      // Counted before the removal, so that the key is not forgotten in between.
      state.running++;
      this.remove(job);
      // The key has had its turn: it goes behind the others, or aside if it has no place left.
      for (const other of state.groups) {
        if (other === undefined || !other.inTurn) continue;
        if (!this.#hasPlace(other)) this.#stepAside(other);
        else if (other === group) {
          this.#leaveTurn(group);
          this.#joinTurn(group);
        }
      }
    } else this.remove(job);
  }

  admits(job: Job): boolean {
    const { key } = job;
    if (key === undefined || this.#groupOf(job).inTurn) return true;
    // A place that an ancestor holds while it awaits this job is lent along with its slot.
    return placeLender(job) !== undefined;
  }

  hasPlace(key: PropertyKey | undefined): boolean {
    const state = key === undefined ? undefined : this.#keys.get(key);
    return state === undefined || state.running < this.#maxPerKey;
  }

  ended(job: Job): void {
    const { key } = job;
    const state = key === undefined ? undefined : this.#keys.get(key);
    if (state === undefined) return;
    const lender = job.extras?.placeLender;
    if (lender?.extras !== undefined) {
      lender.extras.placeBorrower = undefined;
      return;
    }
    state.running--;
    for (const group of state.groups) {
      if (group !== undefined && !group.inTurn && this.#hasPlace(group)) {
        this.#enterTurn(group);
      }
    }
    this.#forget(state);
  }

  // The two below look at every group: with very many keys, prefer another overflow policy.
  oldest(): Job | undefined {
    let oldest: Job | undefined;
    for (const { jobs: { first } } of this.#groups()) {
      if (
        first !== undefined &&
        (oldest === undefined || first.sequence < oldest.sequence)
      ) oldest = first;
    }
    return oldest;
  }

  lowest(): Job | undefined {
    let lowest: Job | undefined;
    for (const { jobs: { last } } of this.#groups()) {
      if (
        last !== undefined &&
        (lowest === undefined || last.priority > lowest.priority ||
          (last.priority === lowest.priority &&
            last.sequence > lowest.sequence))
      ) lowest = last;
    }
    return lowest;
  }

  *jobs(): Iterable<Job> {
    for (const group of this.#groups()) yield* group.jobs;
  }

  /** Groups in turn are in the turns; those that stepped aside belong to a key. */
  *#groups(): Iterable<KeyGroup> {
    for (const { groups } of this.#turns) yield* groups;
    for (const { groups } of this.#keys.values()) {
      for (const group of groups) if (group && !group.inTurn) yield group;
    }
  }

  /**
   * With aging: of each level the job whose turn it is, unless the one that has waited longest has
   * risen above it; and of those the one that has risen highest.
   */
  #eldest(): Job | undefined {
    const time = now();
    let best: Job | undefined;
    for (const { groups: { first }, oldest } of this.#turns) {
      const inTurn = first?.jobs.first;
      if (inTurn === undefined) continue;
      const longest = oldest?.oldest()?.jobs.first;
      const candidate = longest !== undefined &&
          agedLevel(longest, this.#aging, time) <
            agedLevel(inTurn, this.#aging, time)
        ? longest
        : inTurn;
      best = elder(best, candidate, this.#aging, time);
    }
    return best;
  }

  /** The first job of a group in turn may be another than before. */
  #noteAge(group: KeyGroup): void {
    const { oldest, count } = this.#turn(group.level);
    oldest?.note(group, count);
  }

  #groupOf(job: Job): KeyGroup {
    // A job of a keyed scheduler has extras (see SchedulerCore), and this in it while it waits.
    return job.extras!.waitsIn as KeyGroup;
  }

  #hasPlace(group: KeyGroup): boolean {
    return group.state === undefined || group.state.running < this.#maxPerKey;
  }

  #enterTurn(group: KeyGroup): void {
    this.#joinTurn(group);
    this.#startable += group.count;
  }

  #stepAside(group: KeyGroup): void {
    this.#leaveTurn(group);
    this.#startable -= group.count;
  }

  #joinTurn(group: KeyGroup): void {
    const turn = this.#turn(group.level);
    turn.groups.push(group);
    turn.count++;
    group.inTurn = true;
    this.#noteAge(group);
  }

  #leaveTurn(group: KeyGroup): void {
    const turn = this.#turn(group.level);
    turn.groups.remove(group);
    turn.count--;
    group.inTurn = false;
  }

  #forget(state: KeyState): void {
    if (state.running > 0) return;
    for (const group of state.groups) if (group !== undefined) return;
    this.#keys.delete(state.key);
  }

  #turn(level: number): Turn {
    // Levels are checked where they come in: 0 to 4.
    return this.#turns[level]!;
  }
}

/**
 * The nearest ancestor that holds a place of the job's key, has not lent it, and awaits the job:
 * its child, whose child awaits its own, down to the job. One that does not await is at work.
 */
function placeLender(job: Job): Job | undefined {
  for (
    let { extras } = job;
    extras?.isAwaited && extras.parent !== undefined;
    extras = extras.parent.extras
  ) {
    const ancestor = extras.parent;
    if (
      isActive(ancestor) && ancestor.key === job.key &&
      ancestor.extras?.placeBorrower === undefined
    ) return ancestor;
  }
  return undefined;
}

/** Fewer entries than this are not worth a sweep. */
const SWEEP_FROM = 32;

interface Entry {
  readonly sequence: number;
  readonly group: KeyGroup;
}

/**
 * Finds the longest waiting of a level's groups: with aging it may have risen above the one whose
 * turn it is. A binary heap of groups by the age of their first job.
 */
class OldestGroups {
  // Invariant: entry i is not younger than entries 2i + 1 and 2i + 2. An entry is true while its
  // group is in turn and its first job has the entry's sequence; every group in turn has a true
  // entry, and only one. Those that are not true any more are dropped when they come to the top
  // or have become the majority.
  #heap: Entry[] = [];

  /** The first job of `group`, which is in turn, may have changed. */
  note(group: KeyGroup, groupsInTurn: number): void {
    const sequence = group.jobs.first?.sequence;
    if (sequence === undefined || group.noted === sequence) return;
    group.noted = sequence;
    if (this.#heap.length >= SWEEP_FROM + 2 * groupsInTurn) this.#sweep();
    this.#push({ sequence, group });
  }

  /** The group in turn whose first job is the oldest. */
  oldest(): KeyGroup | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (isTrue(top)) return top.group;
      this.#dropTop(top);
    }
    return undefined;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      // In range: above < place.
      const parent = heap[above]!;
      if (parent.sequence <= entry.sequence) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = entry;
  }

  #dropTop(top: Entry): void {
    forget(top);
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      let older = left;
      if (right !== undefined && right.sequence < left.sequence) {
        older = right;
        below++;
      }
      if (older.sequence >= last.sequence) break;
      heap[place] = older;
      place = below;
    }
    heap[place] = last;
  }

  #sweep(): void {
    const kept = this.#heap.filter((entry) => {
      if (isTrue(entry)) return true;
      forget(entry);
      return false;
    });
    this.#heap = [];
    for (const entry of kept) this.#push(entry);
  }
}

function isTrue({ group, sequence }: Entry): boolean {
  return group.inTurn && group.jobs.first?.sequence === sequence;
}

/** The entry goes: should it become true again, it is noted anew. */
function forget({ group, sequence }: Entry): void {
  if (group.noted === sequence) group.noted = 0;
}
