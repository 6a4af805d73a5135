/**
 * The narrow interface behind which the engine stands: add many, hear of outcomes, cancel,
 * reprioritise, serve, count. Another engine is one more folder like `bullmq/`.
 *
 * The engine promises: a job that was added runs at least once, or fails; what it was added with
 * arrives unchanged; jobs of a lower level number are taken first, and within one level in the
 * order of their adding; an event may be missed, but the store never forgets an outcome that
 * nobody asked it to forget.
 *
 * @module
 */
import type { TaskPriority } from "@specify/async-core/runner";
import type { Encoded } from "./serialize/kinds.ts";

/** What travels with a task. Everything in it is data and is checked where it is read. */
export interface Envelope {
  /** The input of the task. */
  readonly input: Encoded;
  /** Longest running time in milliseconds. */
  readonly timeout?: number | undefined;
  /** By when it must have ended, on the store's clock, in milliseconds since 1970. */
  readonly deadline?: number | undefined;
  /** The key for the `maxPerKey` of the worker's runner. */
  readonly key?: string | undefined;
  /** How many slots of the worker's runner it takes. */
  readonly weight?: number | undefined;
  /** The W3C traceparent of the submit. */
  readonly trace?: string | undefined;
  /** The submitter that it must not outlive. */
  readonly owner?: string | undefined;
  /** The level that it was submitted with, from which aging counts. */
  readonly level?: number | undefined;
  /** How many of its runs were lost with their workers, the present one taken for lost. */
  readonly lostRuns?: number | undefined;
}

/** A task on its way to the store. */
export interface NewJob {
  readonly id: string;
  readonly name: string;
  readonly envelope: Envelope;
  readonly priority: TaskPriority;
  /** When it was submitted, on the store's clock. */
  readonly submittedAt: number;
  /** How often it may be tried, the first time included. */
  readonly attempts: number;
  /** How long its record stays after its end. */
  readonly keep: KeepPolicy;
}

/** How long records of ended tasks stay in the store. */
export interface KeepPolicy {
  /** Milliseconds after the end. @default {86_400_000} (a day) */
  age?: number | undefined;
  /** The newest so many of the queue. @default {Infinity} */
  count?: number | undefined;
}

/** How a job ended. */
export type Outcome =
  | { readonly succeeded: true; readonly value: Encoded }
  | { readonly succeeded: false; readonly reason: string };

/** What the store knows of a job. */
export interface Found {
  readonly outcome: Outcome | undefined;
  readonly isRunning: boolean;
}

/** Hears what happens to the jobs of the queue, those of other submitters included. */
export interface EngineListener {
  started(id: string): void;
  ended(id: string, outcome: Outcome): void;
  /** Taken out of the queue before it ran. */
  removed(id: string): void;
  progressed(id: string, value: Encoded): void;
  /** Its worker was lost; it waits again. */
  lost(id: string): void;
  /** The connection is there again: events may have been missed. */
  reconnected(): void;
}

/** Jobs in each state, by the store's own counts. */
export interface EngineCounts {
  /** Waiting for a worker. */
  readonly waiting: number;
  /** Waiting for their time: to be tried again, or for a worker that knows their name. */
  readonly delayed: number;
  /** Running on some worker. */
  readonly running: number;
  /** Records of tasks that succeeded, as far as they are kept. */
  readonly succeeded: number;
  /** Records of tasks that failed or were cancelled while they ran, as far as they are kept. */
  readonly failed: number;
  /** Waiting by level, 0 to 4. */
  readonly byPriority: readonly number[];
}

/** What became of a cancel. */
export type CancelResult =
  /** It had not begun; it is out of the queue. */
  | "removed"
  /** It runs; its worker was told. */
  | "told"
  /** It has ended, or was never there. */
  | "ended";

/** A job that this process has taken. */
export interface TakenJob {
  readonly id: string;
  readonly name: string;
  readonly envelope: Partial<Envelope>;
  readonly priority: TaskPriority;
  /** Which attempt this is, from 1; runs that were lost do not count. */
  readonly attempt: number;
  /** How often a worker that held it was lost, whether or not it had begun to run there. */
  readonly lost: number;
  /** When it was submitted, on the store's clock. */
  readonly submittedAt: number;
  /** Stores a value for `progressed`. */
  progress(value: Encoded): Promise<void>;
  /** Stores another envelope, for whoever takes the job next. */
  replaceEnvelope(envelope: Partial<Envelope>): Promise<void>;
}

/** What is to become of a taken job. */
export type JobEnd =
  | { readonly kind: "succeeded"; readonly value: Encoded }
  /** `retryIn` milliseconds it is tried again, if attempts are left. */
  | {
    readonly kind: "failed";
    readonly reason: string;
    readonly retryIn?: number | undefined;
  }
  /** Back to the queue, for anybody, now or after a delay in milliseconds. */
  | { readonly kind: "handed back"; readonly delay: number };

/** How to serve. */
export interface ServeOptions {
  /** How many jobs to hold at once. */
  readonly concurrency: number;
  /** A worker that was not heard of for so many milliseconds is lost. */
  readonly lostAfter: number;
  /** A job that was lost much more often than this fails, whatever `run` would say. */
  readonly maxLost: number;
  /** Raise waiting jobs one level for each so many milliseconds. */
  readonly aging: number | undefined;
  /** Runs a job. Never rejects. */
  run(job: TakenJob): Promise<JobEnd>;
  /** Somebody wants the job cancelled. */
  cancelled(id: string): void;
  /** The job is no longer this worker's: it was unheard of for too long. */
  lockLost(id: string): void;
}

/** A worker of the engine. */
export interface EngineWorker {
  /** Resolves when it takes jobs. */
  readonly ready: Promise<void>;
  /** How many jobs it holds at once; may be changed. */
  concurrency: number;
  /** Takes no more; resolves when the jobs it holds have ended. */
  close(): Promise<void>;
}

/** The store and its queue. */
export interface Engine {
  /** Where the store is, for messages. */
  readonly address: string;
  /** The last thing that went wrong with the connection, while it is down. */
  readonly trouble: Error | undefined;
  /** Begins to listen; resolves when no later event can be missed. */
  listen(listener: EngineListener): Promise<void>;
  /** Adds jobs, in one round trip. An id that is there already is left as it is. */
  add(jobs: readonly NewJob[]): Promise<void>;
  /** What the store knows, place by place; `undefined` for what is not there. */
  find(ids: readonly string[]): Promise<(Found | undefined)[]>;
  /** Takes a job out, or tells its worker. */
  cancel(id: string): Promise<CancelResult>;
  /** Moves a waiting job to another level. */
  reprioritise(id: string, priority: TaskPriority): Promise<void>;
  /** Removes the records of ended jobs. */
  forget(ids: readonly string[]): Promise<void>;
  counts(): Promise<EngineCounts>;
  /** The store's clock, in milliseconds since 1970: the one that all machines share. */
  now(): Promise<number>;
  /** Says for the next `duration` milliseconds that a submitter lives. */
  beat(owner: string, duration: number): Promise<void>;
  /** Whether a submitter has said so. */
  lives(owner: string): Promise<boolean>;
  serve(options: ServeOptions): EngineWorker;
  close(): Promise<void>;
}
