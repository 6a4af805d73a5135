/**
 * A BullMQ worker that hands its jobs to whoever serves the queue, and does with them what the
 * answer says.
 *
 * @module
 */
import {
  DelayedError,
  type Job,
  type Queue,
  type QueueEventsListener,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "bullmq";
import type { Redis } from "ioredis";
import type {
  EngineWorker,
  Envelope,
  ServeOptions,
  TakenJob,
} from "../engine.ts";
import { age } from "./aging.ts";
import type { EventStream } from "./event_stream.ts";
import { fromJobId } from "./job_id.ts";
import { fromBull } from "./levels.ts";
import { Pauses } from "./pauses.ts";

/**
 * How many more times than `maxLost` the engine lets a job be lost before it fails it by itself:
 * who serves counts only runs that had begun, and this ends a job that kills its worker before.
 */
const LOST_UNCOUNTED = 10;

/** How long BullMQ pauses where it names no time. */
const BETWEEN_TRIES = 100;

/** What a worker is made of. */
export interface ServeContext {
  readonly queue: Queue;
  readonly prefix: string;
  readonly redis: Redis;
  /** The store's clock. */
  readonly now: () => Promise<number>;
  /** The events by which workers hear of cancels; not open yet. */
  readonly cancels: EventStream;
  /** The worker and its events are closed. */
  readonly closed: () => void;
  readonly failed: (error: Error) => void;
}

/** The events of the control stream. */
interface ControlListener extends QueueEventsListener {
  cancel: (event: { jobId: string }, id: string) => void;
}

/** A failure that may be tried again after `retryIn` milliseconds. */
class RetryableFailure extends Error {
  constructor(reason: string, readonly retryIn: number) {
    super(reason);
  }
}

/** BullMQ's worker, which pauses no longer than it is wanted. */
class JobWorker extends Worker {
  readonly #pauses = new Pauses();

  protected override checkConnectionError<T>(
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    return this.#pauses.afterFailure(
      work,
      (work) => super.checkConnectionError(work, 0),
    );
  }

  /** Its pauses between two tries. */
  override delay(milliseconds?: number): Promise<void> {
    return this.#pauses.pause(milliseconds || BETWEEN_TRIES);
  }

  override close(force?: boolean): Promise<void> {
    this.#pauses.end();
    return super.close(force);
  }
}

/** Serves a queue until it is closed. */
export function serve(
  options: ServeOptions,
  { queue, prefix, redis, now, cancels, closed, failed }: ServeContext,
): EngineWorker {
  const worker = new JobWorker(
    queue.name,
    (job: Job, token?: string) => process(job, token, options),
    {
      connection: redis,
      prefix,
      autorun: false,
      concurrency: options.concurrency,
      lockDuration: options.lostAfter,
      stalledInterval: Math.max(1, Math.floor(options.lostAfter / 2)),
      maxStalledCount: options.maxLost * LOST_UNCOUNTED,
      runRetryDelay: 500,
      settings: {
        backoffStrategy: (_made, _type, error) =>
          error instanceof RetryableFailure ? error.retryIn : 0,
      },
    },
  );
  worker.on("error", failed);
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) options.lockLost(fromJobId(id));
  });
  const { aging } = options;
  let isAging = false;
  const timer = aging === undefined ? undefined : setInterval(async () => {
    // A slow round is not overtaken by the next.
    if (isAging) return;
    isAging = true;
    try {
      await age(queue, aging, await now());
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      isAging = false;
    }
  }, Math.max(10, aging / 4));
  let closing: Promise<void> | undefined;
  const ready = cancels.open((events) => {
    events.on<ControlListener>(
      "cancel",
      ({ jobId }: { jobId: string }) => options.cancelled(fromJobId(jobId)),
    );
  }).then(async () => {
    await worker.waitUntilReady();
    if (closing === undefined) worker.run().catch(failed);
  });
  // Whoever awaits it hears of a failure; nobody has to.
  ready.catch(() => {});
  const close = async () => {
    clearInterval(timer);
    try {
      await worker.close();
    } finally {
      await cancels.close();
      closed();
    }
  };
  return {
    ready,
    get concurrency() {
      return worker.concurrency;
    },
    set concurrency(value) {
      worker.concurrency = value;
    },
    close: () => closing ??= close(),
  };
}

async function process(
  job: Job,
  token: string | undefined,
  options: ServeOptions,
): Promise<unknown> {
  const data: unknown = job.data;
  const taken: TakenJob = {
    id: fromJobId(job.id ?? ""),
    name: job.name,
    // What is in it is checked where it is used.
    envelope: typeof data === "object" && data !== null
      ? data as Partial<Envelope>
      : {},
    priority: fromBull(job.priority),
    attempt: job.attemptsMade + 1,
    lost: job.stalledCounter,
    submittedAt: job.timestamp,
    // JSON of any kind, which is more than the type of BullMQ says.
    progress: (value) => job.updateProgress(value as object),
    replaceEnvelope: (envelope) => job.updateData(envelope),
  };
  const end = await options.run(taken);
  switch (end.kind) {
    case "succeeded":
      return end.value;
    case "failed": {
      const error = end.retryIn === undefined
        ? new UnrecoverableError(end.reason)
        : new RetryableFailure(end.reason, end.retryIn);
      // The reason holds the stack of the task; one of this file helps nobody.
      error.stack = end.reason.split("\n", 1)[0] ?? "";
      throw error;
    }
    case "handed back":
      if (end.delay > 0) {
        await job.moveToDelayed(Date.now() + end.delay, token);
        throw new DelayedError();
      }
      await job.moveToWait(token);
      throw new WaitingError();
  }
}
