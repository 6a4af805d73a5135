/**
 * Finds a scheduler that is stuck: work waits, and for some time nothing has started or ended.
 * The usual cause is tasks that hold all slots and await tasks which wait for one.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { report } from "../../_internal/errors.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import type { Slots } from "./slots.ts";
import type { TaskInfo } from "../types.ts";
import type { WaitingQueue } from "./waiting_queue.ts";

/** Who holds the slots and who waits, when nothing moves. */
export interface StallReport {
  /** How long nothing has started or ended, in milliseconds. */
  stalledFor: number;
  /** The tasks that hold the slots, longest first. */
  running: TaskInfo[];
  /** The tasks that wait, in no particular order; the first hundred. */
  queued: TaskInfo[];
}

/** When to look, and whom to tell. */
export interface StallOptions {
  /** Milliseconds without a start or an end, while work is queued, that count as a stall. */
  after: number;
  /** Told once for each stall. */
  report: (stall: StallReport) => void;
}

/** How many waiting tasks a report names. */
const MAX_QUEUED = 100;

/** A timer that runs while work waits. */
export class StallWatch {
  // Invariant: a timer is set exactly while the scheduler has blocked work, not yet reported.
  readonly #after: number;
  readonly #report: (stall: StallReport) => void;
  readonly #queue: WaitingQueue;
  readonly #slots: Slots;
  readonly #isBlocked: () => boolean;
  #lastMove = 0;
  #reported = false;
  #timer: TimerEntry | undefined;

  /** The options are checked; `isBlocked`: whether work waits that only a free slot would let start. */
  constructor(
    { after, report }: StallOptions,
    queue: WaitingQueue,
    slots: Slots,
    isBlocked: () => boolean,
  ) {
    this.#after = after;
    this.#report = report;
    this.#queue = queue;
    this.#slots = slots;
    this.#isBlocked = isBlocked;
  }

  /** A task started or ended. */
  moved(): void {
    this.#lastMove = now();
    this.#reported = false;
    this.queueChanged();
  }

  /** A task joined or left the queue without being started. */
  queueChanged(): void {
    if (!this.#isBlocked()) this.stop();
    else if (this.#timer === undefined && !this.#reported) {
      // The first that waits: what was before it was no stall.
      this.#lastMove = now();
      this.#timer = timers.add(this.#lastMove + this.#after, this);
    }
  }

  /** Nothing is left to watch: a stall that there was is over. */
  stop(): void {
    this.#reported = false;
    if (this.#timer !== undefined) timers.remove(this.#timer);
    this.#timer = undefined;
  }

  timeUp(): void {
    this.#timer = undefined;
    if (!this.#isBlocked()) return;
    const stalledFor = now() - this.#lastMove;
    if (stalledFor < this.#after) {
      this.#timer = timers.add(this.#lastMove + this.#after, this);
      return;
    }
    this.#reported = true;
    try {
      this.#report(this.#describe(stalledFor));
    } catch (error) {
      report("onStall.report threw", error);
    }
  }

  #describe(stalledFor: number): StallReport {
    const queued: TaskInfo[] = [];
    for (const job of this.#queue.jobs()) {
      if (queued.push(job) === MAX_QUEUED) break;
    }
    return { stalledFor, running: this.#slots.jobs(), queued };
  }
}
