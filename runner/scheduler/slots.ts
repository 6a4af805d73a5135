/**
 * How many slots there are, and which running jobs have them.
 *
 * @module
 */
import { LinkedList } from "../../_internal/linked_list.ts";
import { AdaptiveLimit, type AdaptiveOptions } from "./adaptive_limit.ts";
import type { Job } from "./job.ts";

/** The running jobs of a scheduler and the limit that they stand under. */
export class Slots {
  // Invariant: #used is the sum of the slots of the jobs in #running. It rises above #limit only
  // when that is lowered below it, or when a job that has become heavier than it runs alone.
  // A job is in #running from the moment it starts until its function has really ended.
  readonly #running = new LinkedList<Job>();
  readonly #adaptive: AdaptiveLimit | undefined;
  #count = 0;
  #used = 0;
  #limit: number;

  constructor(limit: number, adaptive: boolean | AdaptiveOptions | undefined) {
    this.#limit = limit;
    if (!adaptive) return;
    this.#adaptive = new AdaptiveLimit(
      adaptive === true ? {} : adaptive,
      limit,
    );
    this.#limit = this.#adaptive.limit;
  }

  /** How many there are. */
  get limit(): number {
    return this.#limit;
  }

  set limit(value: number) {
    this.#limit = this.#adaptive === undefined
      ? value
      : this.#adaptive.startFrom(value);
  }

  /** Whether the limit follows what `measured` is told. */
  get isAdaptive(): boolean {
    return this.#adaptive !== undefined;
  }

  /** The heaviest job that can ever start: an adaptive limit may have shrunk for the moment. */
  get heaviest(): number {
    return this.#adaptive?.max ?? this.#limit;
  }

  /** How many jobs run. */
  get count(): number {
    return this.#count;
  }

  /** Whether one is free. */
  get hasFree(): boolean {
    return this.#used < this.#limit;
  }

  /** How many are free. */
  get free(): number {
    return Math.max(0, this.#limit - this.#used);
  }

  /** Whether a job may start now. One that has become heavier than the limit runs alone. */
  fits(weight: number): boolean {
    return this.#used + weight <= this.#limit || this.#used === 0;
  }

  /** A job starts and takes `slots`; 0 when it runs in its parent's. */
  take(job: Job, slots: number): void {
    this.#running.push(job);
    this.#count++;
    this.#used += slots;
    if (job.extras !== undefined) job.extras.slots = slots;
  }

  /** A job has really ended. */
  giveBack(job: Job): void {
    this.#running.remove(job);
    this.#count--;
    this.#used -= job.extras === undefined ? 1 : job.extras.slots;
  }

  /** A job that succeeded ran for `latency` ms. Told when its slots are free again. */
  succeeded(job: Job, latency: number): void {
    if (this.#adaptive === undefined) return;
    this.#adaptive.succeeded(latency, this.#used + job.weight);
    this.#limit = this.#adaptive.limit;
  }

  /** A time limit has cut a job off. */
  timedOut(): void {
    if (this.#adaptive === undefined) return;
    this.#adaptive.timedOut();
    this.#limit = this.#adaptive.limit;
  }

  /** The running jobs, longest first. */
  jobs(): Job[] {
    return [...this.#running];
  }
}
