/**
 * The engine on BullMQ and Redis: the only file that knows either. Jobs are ordinary BullMQ jobs
 * in an ordinary queue, so its dashboards show them.
 *
 * What is added to BullMQ: a second stream of events (`<queue>-control`) by which a cancel
 * reaches the worker that runs a job, and keys with a time to live that say which submitters
 * still live.
 *
 * @module
 */
import type { TaskPriority } from "@specify/async-core/runner";
import {
  DelayedError,
  Job,
  type JobsOptions,
  Queue,
  QueueEvents,
  type QueueEventsListener,
  QueueEventsProducer,
  UnrecoverableError,
  WaitingError,
  Worker,
} from "bullmq";
import type { Redis } from "ioredis";
import { addressOf, type RedisConnectionOptions } from "./address.ts";
import { connect } from "./connection.ts";
import type {
  CancelResult,
  Engine,
  EngineCounts,
  EngineListener,
  EngineWorker,
  Envelope,
  Found,
  KeepPolicy,
  NewJob,
  ServeOptions,
  TakenJob,
} from "./engine.ts";

const LEVELS = [1, 2, 3, 4, 5];
const A_DAY = 86_400_000;
/** Removed in one command: long enough to be cheap, short enough to hold up nobody. */
const FORGET_AT_ONCE = 500;
/** Jobs of one level that one round of aging looks at. */
const AGED_AT_ONCE = 100;

/** Where the queue is. */
export interface BullMqOptions {
  readonly connection: string | RedisConnectionOptions;
  readonly queue: string;
  readonly prefix: string;
  /** Told of what goes wrong and has no one else to go to. */
  readonly report: (error: Error) => void;
}

/** BullMQ's 0 outranks every number, so the levels are 1 to 5 there. */
function toBull(priority: TaskPriority): number {
  return priority + 1;
}

function fromBull(priority: number | undefined): TaskPriority {
  // Jobs of others may have any number; those of 0 or below are the most urgent.
  const level = Math.trunc(Math.min(Math.max((priority ?? 0) - 1, 0), 4));
  return level as TaskPriority;
}

/** A failure that may be tried again after `retryIn` milliseconds. */
class RetryableFailure extends Error {
  constructor(reason: string, readonly retryIn: number) {
    super(reason);
  }
}

/** BullMQ on Redis. */
export class BullMqEngine implements Engine {
  readonly address: string;
  trouble: Error | undefined;
  readonly #options: BullMqOptions;
  readonly #redis: Redis;
  readonly #queue: Queue;
  readonly #control: QueueEventsProducer;
  readonly #closers: (() => Promise<unknown>)[] = [];
  #listener: EngineListener | undefined;
  #isClosing = false;

  constructor(options: BullMqOptions) {
    this.#options = options;
    this.address = addressOf(options.connection);
    this.#redis = this.#connect();
    this.#redis.on("ready", () => {
      const wasDown = this.trouble !== undefined;
      this.trouble = undefined;
      if (wasDown) this.#listener?.reconnected();
    });
    this.#queue = new Queue(options.queue, {
      connection: this.#redis,
      prefix: options.prefix,
      skipMetasUpdate: true,
    });
    this.#queue.on("error", this.#failed);
    this.#control = new QueueEventsProducer(`${options.queue}-control`, {
      connection: this.#redis,
      prefix: options.prefix,
    });
    this.#control.on("error", this.#failed);
  }

  /** Each event stream waits on a connection of its own, since it blocks it. */
  #connect(): Redis {
    const redis = connect(this.#options.connection);
    redis.on("error", (error) => {
      // Reported once for each time that it goes down: it tries again many times a minute.
      const isNew = this.trouble === undefined;
      this.trouble = error;
      if (isNew && !this.#isClosing) this.#options.report(error);
    });
    return redis;
  }

  readonly #failed = (error: Error): void => {
    // Trouble with the connection is reported where the connection is.
    if (this.#isClosing || this.trouble !== undefined) return;
    if (/Connection is closed|ECONN|EPIPE/.test(error.message)) return;
    this.#options.report(error);
  };

  async listen(listener: EngineListener): Promise<void> {
    this.#listener = listener;
    const events = await this.#events(this.#options.queue);
    events.on("active", ({ jobId }) => listener.started(fromJobId(jobId)));
    events.on(
      "completed",
      ({ jobId, returnvalue }) =>
        listener.ended(fromJobId(jobId), {
          succeeded: true,
          value: returnvalue,
        }),
    );
    events.on(
      "failed",
      ({ jobId, failedReason }) =>
        listener.ended(fromJobId(jobId), {
          succeeded: false,
          reason: failedReason,
        }),
    );
    events.on("removed", ({ jobId }) => listener.removed(fromJobId(jobId)));
    events.on(
      "progress",
      ({ jobId, data }) => listener.progressed(fromJobId(jobId), data),
    );
    events.on("stalled", ({ jobId }) => listener.lost(fromJobId(jobId)));
    this.#run(events);
  }

  /**
   * The events of a queue from now on. The place to begin at is read first: BullMQ's own default
   * begins when its first read arrives, and misses what happens before.
   */
  async #events(queue: string): Promise<QueueEvents> {
    const { prefix } = this.#options;
    const newest = await this.#redis.xrevrange(
      `${prefix}:${queue}:events`,
      "+",
      "-",
      "COUNT",
      1,
    );
    const redis = this.#connect();
    const events = new QueueEvents(queue, {
      connection: redis,
      prefix,
      autorun: false,
      lastEventId: newest[0]?.[0] ?? "0-0",
    });
    events.on("error", this.#failed);
    this.#closers.push(async () => {
      const closed = events.close();
      // A connection that is down would be waited for.
      redis.disconnect();
      await closed;
    });
    return events;
  }

  #run(events: QueueEvents): void {
    events.run().catch(this.#failed);
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    await this.#queue.addBulk(
      jobs.map(({ id, name, envelope, priority, attempts, keep }) => ({
        name,
        data: envelope,
        opts: {
          jobId: toJobId(id),
          priority: toBull(priority),
          stackTraceLimit: 1,
          ...keepOptions(keep),
          ...(attempts > 1 ? { attempts, backoff: { type: "task" } } : {}),
        },
      })),
    );
  }

  async find(ids: readonly string[]): Promise<(Found | undefined)[]> {
    const pipeline = this.#redis.pipeline();
    for (const id of ids) {
      pipeline.hmget(
        this.#key(id),
        "name",
        "finishedOn",
        "returnvalue",
        "failedReason",
        "processedOn",
      );
    }
    const answers = await pipeline.exec() ?? [];
    return answers.map(([error, fields]) => {
      if (error !== null) throw error;
      const [name, finishedOn, value, reason, processedOn] = fields as (
        | string
        | null
      )[];
      if (name === null) return undefined;
      return {
        outcome: finishedOn === null
          ? undefined
          : typeof value === "string"
          ? { succeeded: true, value: JSON.parse(value) }
          : { succeeded: false, reason: reason ?? "" },
        isRunning: processedOn !== null,
      };
    });
  }

  async cancel(id: string): Promise<CancelResult> {
    const jobId = toJobId(id);
    // 0: a worker holds its lock.
    if (await this.#queue.remove(jobId) !== 0) return "removed";
    await this.#control.publishEvent({ eventName: "cancel", jobId }, 10_000);
    return "told";
  }

  async reprioritise(id: string, priority: TaskPriority): Promise<void> {
    const job = await Job.fromId(this.#queue, toJobId(id));
    await job?.changePriority({ priority: toBull(priority) });
  }

  async forget(ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += FORGET_AT_ONCE) {
      const some = ids.slice(start, start + FORGET_AT_ONCE).map(toJobId);
      const pipeline = this.#redis.pipeline();
      pipeline.zrem(this.#queue.toKey("completed"), ...some);
      pipeline.zrem(this.#queue.toKey("failed"), ...some);
      pipeline.unlink(
        ...some.flatMap((id) => [
          this.#queue.toKey(id),
          this.#queue.toKey(`${id}:logs`),
        ]),
      );
      await pipeline.exec();
    }
  }

  async counts(): Promise<EngineCounts> {
    const [counts, levels] = await Promise.all([
      this.#queue.getJobCounts(
        "waiting",
        "prioritized",
        "delayed",
        "active",
        "completed",
        "failed",
      ),
      this.#queue.getCountsPerPriority(LEVELS),
    ]);
    const count = (state: string) => counts[state] ?? 0;
    return {
      waiting: count("waiting") + count("prioritized"),
      delayed: count("delayed"),
      running: count("active"),
      succeeded: count("completed"),
      failed: count("failed"),
      byPriority: LEVELS.map((level) => levels[level] ?? 0),
    };
  }

  async now(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time();
    return Number(seconds) * 1000 + Number(microseconds) / 1000;
  }

  async beat(owner: string, duration: number): Promise<void> {
    await this.#redis.set(this.#ownerKey(owner), "1", "PX", duration);
  }

  async lives(owner: string): Promise<boolean> {
    return await this.#redis.exists(this.#ownerKey(owner)) === 1;
  }

  #ownerKey(owner: string): string {
    const { prefix, queue } = this.#options;
    return `${prefix}:${queue}-control:submitter:${owner}`;
  }

  serve(options: ServeOptions): EngineWorker {
    const worker = new Worker(
      this.#options.queue,
      (job: Job, token?: string) => process(job, token, options),
      {
        connection: this.#redis,
        prefix: this.#options.prefix,
        autorun: false,
        concurrency: options.concurrency,
        lockDuration: options.lostAfter,
        stalledInterval: Math.max(1, Math.floor(options.lostAfter / 2)),
        // BullMQ counts how often it may stall, not how often it may not.
        maxStalledCount: options.maxLost - 1,
        runRetryDelay: 500,
        settings: {
          backoffStrategy: (_made, _type, error) =>
            error instanceof RetryableFailure ? error.retryIn : 0,
        },
      },
    );
    worker.on("error", this.#failed);
    worker.on("lockRenewalFailed", (ids) => {
      for (const id of ids) options.lockLost(fromJobId(id));
    });
    const aging = options.aging;
    const timer = aging === undefined ? undefined : setInterval(
      () => {
        this.#age(aging).catch(this.#failed);
      },
      Math.max(10, aging / 4),
    );
    let closing: Promise<void> | undefined;
    const ready = this.#serveCancels(options).then(async () => {
      await worker.waitUntilReady();
      if (closing === undefined) worker.run().catch(this.#failed);
    });
    // Whoever awaits it hears of a failure; nobody has to.
    ready.catch(() => {});
    const close = async () => {
      clearInterval(timer);
      await worker.close();
    };
    this.#closers.push(() => closing ??= close());
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

  async #serveCancels({ cancelled }: ServeOptions): Promise<void> {
    const events = await this.#events(`${this.#options.queue}-control`);
    events.on<ControlListener>(
      "cancel",
      ({ jobId }: { jobId: string }) => cancelled(fromJobId(jobId)),
    );
    this.#run(events);
  }

  /** Raises the heads of the levels, where starving shows first. */
  async #age(aging: number): Promise<void> {
    const counts = await this.#queue.getCountsPerPriority(LEVELS);
    let offset = counts[1] ?? 0;
    for (const level of LEVELS.slice(1)) {
      const count = counts[level] ?? 0;
      if (count > 0) {
        const jobs = await this.#queue.getJobs(
          ["prioritized"],
          offset,
          offset + Math.min(count, AGED_AT_ONCE) - 1,
          true,
        );
        for (const job of jobs) {
          const raised = toBull(submittedLevel(job)) -
            Math.floor((Date.now() - job.timestamp) / aging);
          const target = Math.max(1, raised);
          if (target < job.priority) {
            await job.changePriority({ priority: target }).catch(() => {
              // Taken or removed meanwhile.
            });
          }
        }
      }
      offset += count;
    }
  }

  #key(id: string): string {
    return this.#queue.toKey(toJobId(id));
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#closers.map((close) => close()));
    await Promise.allSettled([this.#queue.close(), this.#control.close()]);
    this.#redis.disconnect();
  }
}

/** The events of the control stream. */
interface ControlListener extends QueueEventsListener {
  cancel: (event: { jobId: string }, id: string) => void;
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

function submittedLevel(job: Job): TaskPriority {
  const { level } = (job.data ?? {}) as Partial<Envelope>;
  return typeof level === "number" ? fromBull(level + 1) : fromBull(
    job.priority,
  );
}

function keepOptions(
  { age = A_DAY, count }: KeepPolicy,
): Pick<JobsOptions, "removeOnComplete" | "removeOnFail"> {
  const keep = {
    ...(age === Infinity ? {} : { age: age / 1000 }),
    ...(count === undefined || count === Infinity ? {} : { count }),
  };
  // An empty object would mean that all are kept, as `false` does, but is no valid option.
  const policy = Object.keys(keep).length === 0 ? false : keep;
  return {
    removeOnComplete: policy as JobsOptions["removeOnComplete"] & object,
    removeOnFail: policy as JobsOptions["removeOnFail"] & object,
  };
}

/** BullMQ accepts no colon in an id, and no id that is a whole number. */
function toJobId(id: string): string {
  const escaped = id.replace(
    /[%:]/g,
    (character) => character === "%" ? "%25" : "%3A",
  );
  return /^\d+$/.test(escaped) ? `%i${escaped}` : escaped;
}

function fromJobId(jobId: string): string {
  if (!jobId.includes("%")) return jobId;
  return /^%i\d+$/.test(jobId)
    ? jobId.slice(2)
    : jobId.replace(/%25|%3A/g, (code) => code === "%25" ? "%" : ":");
}
