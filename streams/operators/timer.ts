/**
 * The timer of an operator on time.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";

// Invariants: `time` is finite exactly while it is set, and the entry rings no later than that. An
// entry that rings too early is set again, one that rings while nothing is set is not: so an old
// one never rings for something new. Only `clear` takes the entry out; `set` and `rest` leave it,
// since an entry for each element costs 5 to 9 us.
/** One timer at a time. Every end of its operator must `clear` it. */
export class Timer {
  readonly #ring: () => void;
  #time = Infinity;
  #entry: TimerEntry | undefined = undefined;
  #entryTime = Infinity;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Whether it is going to ring. */
  get isSet(): boolean {
    return this.#time !== Infinity;
  }

  /** Rings at `time`, in place of whenever it was to ring before. Never, for Infinity. */
  set(time: number): void {
    this.#time = time;
    if (time === Infinity) return;
    if (this.#entry !== undefined) {
      if (this.#entryTime <= time) return;
      timers.remove(this.#entry);
    }
    this.#add(time);
  }

  /** Does not ring until it is set again, which is expected soon. */
  rest(): void {
    this.#time = Infinity;
  }

  /** Leaves nothing behind. */
  clear(): void {
    this.#time = Infinity;
    if (this.#entry !== undefined) timers.remove(this.#entry);
    this.#entry = undefined;
  }

  timeUp(): void {
    this.#entry = undefined;
    if (this.#time === Infinity) return;
    if (now() < this.#time) {
      this.#add(this.#time);
      return;
    }
    this.#time = Infinity;
    this.#ring();
  }

  #add(time: number): void {
    this.#entryTime = time;
    this.#entry = timers.add(time, this);
  }
}
