/**
 * Who starts next. The interface behind which the orders stand, and the plain order: strict
 * priority between the five levels, first come first served within one, optionally with aging. A
 * job that changes its level goes in by its age, for which an index finds the place.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { LinkedList } from "../../_internal/linked_list.ts";
import type { Job } from "./job.ts";
import type { TaskPriority } from "../priority.ts";

/** How many levels there are. */
export const LEVELS = 5;

/** The waiting jobs of a scheduler, and their order. */
export interface WaitingQueue {
  /** How many wait. */
  readonly size: number;
  /** How many of them could start now if there were slots enough. */
  readonly startable: number;
  /** Does this job, which has not started, wait here? */
  has(job: Job): boolean;
  /** Adds a job. */
  push(job: Job): void;
  /** Takes out a job that waits here. */
  remove(job: Job): void;
  /** Moves a job that waits here to another level. */
  move(job: Job, priority: TaskPriority): void;
  /** The job that is next to start; `undefined` when none may. Takes nothing out. */
  peek(): Job | undefined;
  /** Takes out the job that `peek` returned, because it starts. */
  take(job: Job): void;
  /** May this waiting job start now, out of turn, in the slot of its parent? */
  admits(job: Job): boolean;
  /** Has the key a free place? */
  hasPlace(key: PropertyKey | undefined): boolean;
  /** A job that was taken has really ended. */
  ended(job: Job): void;
  /** The job that has waited longest. */
  oldest(): Job | undefined;
  /** The youngest job of the least urgent level. */
  lowest(): Job | undefined;
  /** All of them, most urgent level first. */
  jobs(): Iterable<Job>;
}

/** Strict priority between levels, first in first out within a level. */
export class LevelQueue implements WaitingQueue {
  // Invariant: bit n of #occupied is set exactly while levels[n] is not empty; #size is the sum
  // of their lengths.
  readonly #levels: LinkedList<Job>[] = Array.from(
    { length: LEVELS },
    () => new LinkedList<Job>(),
  );
  /** Of the levels to which jobs have been moved. */
  readonly #indexes: (AgeIndex | undefined)[] = [];
  readonly #aging: number;
  #occupied = 0;
  #size = 0;

  /** `aging`: milliseconds of waiting that are worth a level; Infinity for none. */
  constructor(aging: number) {
    this.#aging = aging;
  }

  get size(): number {
    return this.#size;
  }

  get startable(): number {
    return this.#size;
  }

  has(job: Job): boolean {
    return job.previous !== undefined ||
      this.#level(job.priority).first === job;
  }

  push(job: Job): void {
    this.#level(job.priority).push(job);
    this.#occupied |= 1 << job.priority;
    this.#size++;
  }

  remove(job: Job): void {
    const level = this.#level(job.priority);
    level.remove(job);
    if (level.first === undefined) {
      this.#occupied &= ~(1 << job.priority);
      this.#indexes[job.priority]?.clear();
    }
    this.#size--;
  }

  move(job: Job, priority: TaskPriority): void {
    this.remove(job);
    job.priority = priority;
    // It keeps its age, so that in every level the first is the oldest and the last the youngest.
    this.#index(priority).insert(job);
    this.#occupied |= 1 << priority;
    this.#size++;
  }

  peek(): Job | undefined {
    const occupied = this.#occupied;
    if (occupied === 0) return undefined;
    // The lowest set bit is the most urgent level; one level only needs no comparison by age.
    const lowestBit = occupied & -occupied;
    const first = this.#level(31 - Math.clz32(lowestBit)).first;
    return this.#aging === Infinity || occupied === lowestBit
      ? first
      : this.#eldest();
  }

  take(job: Job): void {
    this.remove(job);
  }

  admits(_job: Job): boolean {
    return true;
  }

  hasPlace(_key: PropertyKey | undefined): boolean {
    return true;
  }

  ended(_job: Job): void {}

  oldest(): Job | undefined {
    let oldest: Job | undefined;
    for (const { first } of this.#levels) {
      if (first === undefined) continue;
      if (oldest === undefined || first.sequence < oldest.sequence) {
        oldest = first;
      }
    }
    return oldest;
  }

  lowest(): Job | undefined {
    const { last } = this.#level(31 - Math.clz32(this.#occupied | 1));
    return last;
  }

  *jobs(): Iterable<Job> {
    for (const level of this.#levels) yield* level;
  }

  /**
   * The best of the levels' first jobs when each `aging` ms of waiting raises by one level. In
   * every level the first is the oldest, so no other can be better. Equal levels: the older one.
   */
  #eldest(): Job | undefined {
    const time = now();
    let best: Job | undefined;
    for (const { first } of this.#levels) {
      if (first !== undefined) best = elder(best, first, this.#aging, time);
    }
    return best;
  }

  #index(priority: TaskPriority): AgeIndex {
    return this.#indexes[priority] ??= new AgeIndex(
      this.#level(priority),
      (job) => job.state === "queued" && job.priority === priority,
    );
  }

  #level(level: number): LinkedList<Job> {
    // Levels are checked where they come in: 0 to 4.
    return this.#levels[level]!;
  }
}

/** Of two jobs the one to start first when each `aging` ms of waiting raises by one level. */
export function elder(
  one: Job | undefined,
  other: Job,
  aging: number,
  time: number,
): Job {
  if (one === undefined) return other;
  const difference = agedLevel(one, aging, time) -
    agedLevel(other, aging, time);
  if (difference !== 0) return difference < 0 ? one : other;
  return one.sequence < other.sequence ? one : other;
}

/** The level that a job has risen to. */
export function agedLevel(job: Job, aging: number, time: number): number {
  const waited = time - (job.timing?.queuedAt ?? time);
  return Math.max(0, job.priority - Math.floor(waited / aging));
}

/** So many steps from either end are taken before a landmark is looked for. */
const NEAR = 16;
/** So many steps from one landmark to the next. */
const SPACING = 64;

/**
 * Adds jobs to a list that is by age, the oldest first. New ones come at its end and need no search;
 * one that has changed its level is older than others there, and is placed with a binary search and
 * some steps: moving 50,000 jobs in random order takes 0.25 s, where walking from the nearer end
 * took 9. The list knows nothing of it, so that whatever else is done with it costs what it did.
 */
export class AgeIndex {
  // Invariant: #landmarks is by age, and all of them have stood in the list. Some may have left
  // it; a search drops those that it comes across and those that are older than the whole list,
  // so that one which is never empty does not keep all that ever were in it. Whoever walks further
  // than SPACING sets landmarks on the way, so no way is walked twice.
  readonly #list: LinkedList<Job>;
  readonly #holds: (job: Job) => boolean;
  #landmarks: Job[] = [];

  /** `holds`: does this job stand in the list? Asked of jobs that have stood in it. */
  constructor(list: LinkedList<Job>, holds: (job: Job) => boolean) {
    this.#list = list;
    this.#holds = holds;
  }

  /** Adds a job. */
  insert(job: Job): void {
    this.#list.insertAfter(job, this.#youngestBefore(job.sequence));
  }

  /** The list is empty: keeps no memory of what was in it. */
  clear(): void {
    if (this.#landmarks.length > 0) this.#landmarks = [];
  }

  /** The youngest job that is older than `sequence`; `undefined` when none is. */
  #youngestBefore(sequence: number): Job | undefined {
    const oldest = this.#list.first;
    let first = oldest;
    let last = this.#list.last;
    for (let steps = 0; steps < NEAR; steps++) {
      if (last === undefined || last.sequence < sequence) return last;
      if (first === undefined || first.sequence > sequence) {
        return first?.previous;
      }
      last = last.previous;
      first = first.next;
    }
    return oldest && this.#search(oldest, sequence);
  }

  /** As above; `oldest`, the first of the list, is older than `sequence`. */
  #search(oldest: Job, sequence: number): Job {
    const landmarks = this.#landmarks;
    const end = countOlder(landmarks, sequence);
    let start = end;
    let job: Job | undefined = landmarks[start - 1];
    while (job !== undefined && !this.#holds(job)) job = landmarks[--start - 1];
    job ??= oldest;
    const set: Job[] = [];
    let steps = 0;
    for (
      let next = job.next;
      next !== undefined && next.sequence < sequence;
      next = next.next
    ) {
      job = next;
      if (++steps % SPACING === 0) set.push(job);
    }
    const gone = Math.min(countOlder(landmarks, oldest.sequence), start);
    if (gone > 0 || start < end || set.length > 0) {
      this.#landmarks = [
        ...landmarks.slice(gone, start),
        ...set,
        ...landmarks.slice(end),
      ];
    }
    return job;
  }
}

/** How many of the jobs, which are by age, are older than `sequence`. */
function countOlder(jobs: readonly Job[], sequence: number): number {
  let low = 0;
  let high = jobs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    // In range: low <= middle < high.
    if (jobs[middle]!.sequence < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
