/**
 * The engine on BullMQ and Redis: this folder is all that knows either. Jobs are ordinary BullMQ
 * jobs in an ordinary queue, so its dashboards show them.
 *
 * What is added to BullMQ: a second stream of events (`<queue>-control`) by which a cancel
 * reaches the worker that runs a job, and keys with a time to live that say which submitters
 * still live and which names workers know.
 *
 * @module
 */
import type { TaskPriority } from "@specify/async-core/runner";
import { Job, type JobsOptions, Queue, QueueEventsProducer } from "bullmq";
import type { Redis } from "ioredis";
import { addressOf, type RedisConnectionOptions } from "../address.ts";
import { within } from "../submit/within.ts";
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
  Outcome,
  ServeOptions,
} from "../engine.ts";
import { Connections } from "./connections.ts";
import { EventStream } from "./event_stream.ts";
import { fromJobId, toJobId } from "./job_id.ts";
import { LEVELS, toBull } from "./levels.ts";
import { serve } from "./serve.ts";

const A_DAY = 86_400_000;
/** How long a Redis of which no trouble is known may take to answer when everything is closed. */
const ANSWER_WITHIN = 2000;
/** How long BullMQ may take to end when its connections have; tasks that go on hold it for ever. */
const END_WITHIN = 2000;
/** Removed in one command: long enough to be cheap, short enough to hold up nobody. */
const FORGET_AT_ONCE = 500;

/** Where the queue is. */
export interface BullMqOptions {
  readonly connection: string | RedisConnectionOptions;
  readonly queue: string;
  readonly prefix: string;
  /** Told of what goes wrong and has no one else to go to. */
  readonly report: (error: Error) => void;
}

/** BullMQ on Redis. */
export class BullMqEngine implements Engine {
  readonly address: string;
  readonly #options: BullMqOptions;
  readonly #connections: Connections;
  readonly #redis: Redis;
  readonly #queue: Queue;
  readonly #control: QueueEventsProducer;
  readonly #toClose = new Set<{ close(): Promise<void> }>();
  #listener: EngineListener | undefined;
  #isClosing = false;

  constructor(options: BullMqOptions) {
    this.#options = options;
    this.address = addressOf(options.connection);
    this.#connections = new Connections(options.connection, {
      report: options.report,
      reconnected: () => this.#listener?.reconnected(),
    });
    this.#redis = this.#connections.open();
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

  get trouble(): Error | undefined {
    return this.#connections.trouble;
  }

  readonly #failed = (error: Error): void => {
    // Trouble with the connection is reported where the connection is.
    if (this.#isClosing || this.trouble !== undefined) return;
    if (/Connection is closed|ECONN|EPIPE/.test(error.message)) return;
    this.#options.report(error);
  };

  async listen(listener: EngineListener): Promise<void> {
    this.#listener = listener;
    const ended = (jobId: string, outcome: Outcome) =>
      listener.ended(fromJobId(jobId), outcome);
    const stream = this.#stream(this.#options.queue);
    this.#toClose.add(stream);
    const opened = stream.open((events) => {
      events.on("active", ({ jobId }) => listener.started(fromJobId(jobId)));
      events.on(
        "completed",
        // As JSON.parse gave it, which is more than the type of BullMQ says.
        ({ jobId, returnvalue: value }) =>
          ended(jobId, { succeeded: true, value }),
      );
      events.on(
        "failed",
        ({ jobId, failedReason: reason }) =>
          ended(jobId, { succeeded: false, reason: String(reason) }),
      );
      events.on("removed", ({ jobId }) => listener.removed(fromJobId(jobId)));
      events.on(
        "progress",
        ({ jobId, data }) => listener.progressed(fromJobId(jobId), data),
      );
      events.on("stalled", ({ jobId }) => listener.lost(fromJobId(jobId)));
    });
    try {
      await opened;
    } catch (error) {
      // It will be opened anew, with a connection of its own.
      this.#toClose.delete(stream);
      await stream.close();
      throw error;
    }
  }

  async add(jobs: readonly NewJob[]): Promise<void> {
    const [first] = jobs;
    // One is sent as one command, not as a transaction of one: a tenth of a round trip.
    if (first !== undefined && jobs.length === 1) {
      const { name, data, opts } = bullJob(first);
      await this.#queue.add(name, data, opts);
    } else await this.#queue.addBulk(jobs.map(bullJob));
  }

  async find(ids: readonly string[]): Promise<(Found | undefined)[]> {
    const pipeline = this.#redis.pipeline();
    for (const id of ids) {
      pipeline.hmget(
        this.#queue.toKey(toJobId(id)),
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
          ? readResult(value)
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
      this.#queue.getCountsPerPriority([...LEVELS]),
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
    const worker = serve(options, {
      queue: this.#queue,
      prefix: this.#options.prefix,
      redis: this.#redis,
      cancels: this.#stream(`${this.#options.queue}-control`),
      now: () => this.now(),
      failed: this.#failed,
      closed: () => this.#toClose.delete(worker),
    });
    this.#toClose.add(worker);
    return worker;
  }

  #stream(queue: string): EventStream {
    return new EventStream({
      queue,
      prefix: this.#options.prefix,
      redis: this.#redis,
      reader: this.#connections.open(),
      drop: (redis) => this.#connections.drop(redis),
      failed: this.#failed,
      skipped: () => this.#listener?.reconnected(),
    });
  }

  /** Ends everything, in a bounded time even while Redis does not answer. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#connections.closing();
    const closed = Promise.allSettled([
      ...[...this.#toClose].map((one) => one.close()),
      this.#queue.close(),
      this.#control.close(),
    ]);
    if (this.trouble === undefined) await within(closed, ANSWER_WITHIN);
    await Promise.all([
      this.#connections.close(),
      within(closed, END_WITHIN),
    ]);
  }
}

function bullJob(
  { id, name, envelope, priority, submittedAt, attempts, keep }: NewJob,
): { name: string; data: Envelope; opts: JobsOptions } {
  return {
    name,
    data: envelope,
    opts: {
      jobId: toJobId(id),
      priority: toBull(priority),
      timestamp: submittedAt,
      stackTraceLimit: 1,
      ...keepOptions(keep),
      ...(attempts > 1 ? { attempts, backoff: { type: "task" } } : {}),
    },
  };
}

/** One record that is no JSON must not hide the others. */
function readResult(json: string): Outcome {
  try {
    return { succeeded: true, value: JSON.parse(json) };
  } catch {
    return { succeeded: false, reason: "The result in the queue is no JSON" };
  }
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
