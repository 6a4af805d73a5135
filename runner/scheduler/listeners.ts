/**
 * Whoever is told when something changes in a scheduler: observers, those who wait for a
 * condition or for room in the queue, the watch for stalls. All of it is user code or wakes some,
 * so it is called only where the state is complete; where nobody listens it costs a look.
 *
 * @module
 */
import { Conditions } from "../../_internal/conditions.ts";
import type { LateFailure } from "../../_internal/late_failure.ts";
import type { ReadyGate } from "../../_internal/ready_gate.ts";
import type { Job } from "./job.ts";
import { Observers, tellLate } from "./observers.ts";
import type { StallWatch } from "./stall_watch.ts";
import type { TaskObserver } from "../types.ts";

/** Tells the listeners of one scheduler. */
export class Listeners {
  // Invariant: nothing that is called here sees a job between two places: whoever calls has moved
  // it, and looks at everything again afterwards.
  readonly conditions: Conditions = new Conditions();
  readonly #gate: ReadyGate;
  /** Undefined when there are none. */
  readonly #observers: Observers | undefined;
  readonly #stall: StallWatch | undefined;

  constructor(
    gate: ReadyGate,
    own: readonly TaskObserver[],
    user: TaskObserver | undefined,
    stall: StallWatch | undefined,
  ) {
    this.#gate = gate;
    this.#observers = own.length === 0 && user === undefined
      ? undefined
      : new Observers(own, user);
    this.#stall = stall;
  }

  /** A job has joined the queue. */
  queued(job: Job): void {
    this.#observers?.tell("queued", job);
  }

  /** A job has left the queue and has its slots. */
  started(job: Job): void {
    this.#observers?.tell("started", job);
    this.moved();
    if (this.#stall !== undefined) this.#stall.moved();
  }

  /** A job has its outcome; `reason` is its error or cancel reason. */
  settled(job: Job, reason: unknown): void {
    this.#observers?.tell("settled", job, reason);
  }

  /** The function of a job has really ended; `late`: what nobody has been told that it failed with. */
  ended(job: Job, late: LateFailure | undefined): void {
    this.#observers?.tell("ended", job, late?.error);
    if (late !== undefined) {
      tellLate("ended", job.name, late.error, this.#observers);
    }
    this.moved();
    if (this.#stall !== undefined) this.#stall.moved();
  }

  /** Whether the user's observer is told of outcomes. */
  get isObserved(): boolean {
    return this.#observers?.reachesUser("settled") === true;
  }

  /** A job has failed, and no promise tells of that. */
  failedUnseen(job: Job, error: unknown): void {
    tellLate("settled", job.name, error, this.#observers);
  }

  /** Something has changed that somebody may wait for. */
  moved(): void {
    if (this.conditions.hasWaiters) this.conditions.check();
    if (this.#gate.hasWaiters) this.#gate.check();
  }

  /** Jobs wait that did not, or no longer; none has been started. */
  queueChanged(): void {
    if (this.#stall !== undefined) this.#stall.queueChanged();
  }

  /** Nothing may start. */
  paused(): void {
    if (this.#stall !== undefined) this.#stall.stop();
  }
}
