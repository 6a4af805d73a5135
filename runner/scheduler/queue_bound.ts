/**
 * The bound of the queue: whether there is room, who waits for it, and who is turned away or
 * dropped when there is none.
 *
 * Jobs for which a slot is free do not count as waiting: they only have not been started yet.
 *
 * @module
 */
import type { ReadyGate } from "../../_internal/ready_gate.ts";
import { checkSignal } from "../../_internal/validate.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Endings } from "./endings.ts";
import { isOpen, type Job } from "./job.ts";
import type { OverflowPolicy, SchedulerOptions } from "./options.ts";
import type { WaitingQueue } from "./waiting_queue.ts";

/** At most `maxQueue` jobs wait, unless whoever submits does not ask (overflow "wait"). */
export class QueueBound {
  // Invariant: with a policy other than "wait", a job is accepted only while fewer than #maxQueue
  // jobs wait for something other than their turn; whoever has to go for that is settled first,
  // so nothing vanishes. A newcomer never takes the place of a more urgent job.
  readonly #maxQueue: number;
  readonly #overflow: OverflowPolicy;
  readonly #queue: WaitingQueue;
  readonly #dispatcher: Dispatcher;
  readonly #endings: Endings;
  readonly #gate: ReadyGate;

  constructor(
    { maxQueue = Infinity, overflow = "wait" }: SchedulerOptions,
    queue: WaitingQueue,
    dispatcher: Dispatcher,
    endings: Endings,
    gate: ReadyGate,
  ) {
    this.#maxQueue = maxQueue;
    this.#overflow = overflow;
    this.#queue = queue;
    this.#dispatcher = dispatcher;
    this.#endings = endings;
    this.#gate = gate;
  }

  /** How many more may be submitted before the queue is full. */
  get room(): number {
    return this.#maxQueue - (this.#queue.size - this.#dispatcher.vacancy);
  }

  get isFull(): boolean {
    return this.#queue.size >= this.#maxQueue && this.room <= 0;
  }

  /** Whether a batch may submit one more now, without getting before those who wait for room. */
  get hasRoom(): boolean {
    return this.#maxQueue === Infinity || this.#gate.isOpen;
  }

  /** Whether so many are in the queue that `makeRoom` has to be asked before a submit. */
  get isReached(): boolean {
    return this.#queue.size >= this.#maxQueue;
  }

  /** Resolves when it is one's turn to submit to a queue that may be full. */
  ready(signal: AbortSignal | undefined): Promise<void> {
    if (signal !== undefined) checkSignal("signal", signal);
    return this.#gate.wait(signal);
  }

  /**
   * Applies the overflow policy; false when the newcomer is turned away. Others may be started or
   * told of their end here, and do anything, so the caller looks at everything again.
   */
  makeRoom(job: Job): boolean {
    if (this.#overflow === "wait") return true;
    // What a free slot is waiting for does not wait: it starts now.
    this.#dispatcher.startAll();
    if (!isOpen(job) || this.#hasRoomFor(job)) return true;
    let victim: Job | undefined;
    if (this.#overflow === "drop-oldest") victim = this.#queue.oldest();
    else if (this.#overflow === "drop-lowest") {
      const lowest = this.#queue.lowest();
      if (lowest && lowest.priority > job.priority) victim = lowest;
    }
    const error = new QueueFullError((victim ?? job).name, this.#maxQueue);
    if (victim === undefined) {
      this.#endings.refuse(job, "failed", error);
      return false;
    }
    this.#endings.end(victim, "failed", error);
    return true;
  }

  #hasRoomFor(job: Job): boolean {
    const { size, startable } = this.#queue;
    if (size < this.#maxQueue) return true;
    // The slot that changes hands is not taken yet: who gets it counts as started.
    if (this.#dispatcher.isHandingOver) return !this.isFull;
    // Whatever could start has started, so only slots that nothing waits for are left.
    return startable === 0 && this.#queue.hasPlace(job.key) &&
      this.#dispatcher.vacancy >= job.weight;
  }
}

/**
 * The queue was full and the overflow policy turned this task away: `"reject"` the newcomer,
 * `"drop-oldest"` and `"drop-lowest"` the task named by the policy.
 *
 * @example
 * ```ts
 * import { QueueFullError, TaskScheduler } from "@specify/async-core";
 *
 * await using scheduler = new TaskScheduler({
 *   maxConcurrent: 1,
 *   maxQueue: 0,
 *   overflow: "reject",
 * });
 * const running = scheduler.submit(() => "first");
 * const error = await scheduler.submit(() => "second").catch((error) => error);
 * console.log(error instanceof QueueFullError, await running); // true "first"
 * ```
 */
export class QueueFullError extends Error {
  /** Always `"QueueFullError"`. */
  override readonly name = "QueueFullError";
  /** The bound that was reached. */
  readonly maxQueue: number;

  /** `task` is the name of the task that was turned away. */
  constructor(task: string, maxQueue: number) {
    super(
      `Task ${task} was turned away: the queue is full (maxQueue: ${maxQueue}). ` +
        `Await ready() before submitting, raise maxQueue, or choose another overflow policy.`,
    );
    this.maxQueue = maxQueue;
  }
}
