/**
 * Serving a queue: takes jobs from the engine and runs them as tasks of a local runner.
 *
 *     taken ──▶ refused (unknown name, unreadable, too late) ─────────────▶ ended
 *       │
 *       └─▶ running ──▶ ended with its outcome
 *              ├─ cancelled by a submitter: its signal aborts; ended when the function has ended
 *              ├─ lock lost: its signal aborts; another worker has the job, nothing is reported
 *              └─ worker stops: finishes within `grace`, else its signal aborts and it is handed
 *                 back when the function has ended (or a second later, if it ignores its signal)
 *
 * @module
 */
import {
  lateFailure,
  type TimerEntry,
  timers,
  withResolvers,
} from "@specify/async-core/host";
import {
  type AsyncRunner,
  DisposedError,
  type TaskHandle,
} from "@specify/async-core/runner";
import type { Span } from "@opentelemetry/api";
import { deadlineError, storeTimeOffset } from "../clock.ts";
import { callHandler, ContextWith, type Definition } from "../define_task.ts";
import type { Engine, EngineWorker, JobEnd, TakenJob } from "../engine.ts";
import { INTERVALS } from "../intervals.ts";
import { LOST, writeReason } from "../outcome.ts";
import { decode } from "../serialize/decode.ts";
import { encode } from "../serialize/encode.ts";
import { endSpanWith, runTraced } from "../tracing.ts";
import { within } from "../submit/within.ts";
import {
  type Answer,
  endedEarly,
  type Ending,
  endingError,
  failed,
  soon,
} from "./job_end.ts";
import { type CheckedEnvelope, readEnvelope } from "./envelope.ts";
import { Owners } from "./owners.ts";
import { Progress } from "./progress.ts";
import type { WorkerStatistics } from "./statistics.ts";
import { UnknownNames } from "./unknown_names.ts";

/** How long a task that was told to stop may take to end before its job is handed back anyway. */
const END_WITHIN = 1000;
/** How long the store may take to answer after that. */
const ANSWER_WITHIN = 2000;

/** Everything that serving needs to know, checked and complete. */
export interface ServeSettings {
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly runner: AsyncRunner;
  readonly concurrency: number;
  readonly lostAfter: number;
  readonly maxLost: number;
  readonly unknownAfter: number;
  readonly aging: number | undefined;
  readonly grace: number;
  readonly report: (error: Error) => void;
}

interface Running {
  readonly handle: TaskHandle<unknown>;
  readonly owner: string | undefined;
  ending: Ending | undefined;
}

/** Runs jobs of one queue on one local runner. */
export class Server {
  // Invariant: #running holds the jobs whose task was submitted to the runner and that were not
  // answered yet; #lastChances those of them that were lost as often as they may be.
  readonly stats: WorkerStatistics = {
    running: 0,
    succeeded: 0,
    failed: 0,
    cancelled: 0,
    handedBack: 0,
    takenOver: 0,
    lost: 0,
  };
  readonly #engine: Engine;
  readonly #settings: ServeSettings;
  readonly #worker: EngineWorker;
  readonly #names: UnknownNames;
  readonly #owners: Owners;
  readonly #running = new Map<string, Running>();
  readonly #lastChances = new Set<string>();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #stopTimers: TimerEntry[] = [];
  /** The store's clock minus `performance.now()`, once it is known. */
  #toStoreTime: number | undefined;
  #stopping: Promise<void> | undefined;
  #hasStopped = false;
  readonly #abandoned = withResolvers<void>();

  constructor(engine: Engine, settings: ServeSettings) {
    this.#engine = engine;
    this.#settings = settings;
    const { lostAfter } = settings;
    this.#names = new UnknownNames(engine, settings.unknownAfter);
    this.#owners = new Owners(engine);
    this.#worker = engine.serve({
      concurrency: settings.concurrency,
      lostAfter,
      maxLost: settings.maxLost,
      aging: settings.aging,
      run: (job) => this.#answer(job),
      cancelled: (id) => this.#end(id, "cancelled"),
      lockLost: (id) => this.#end(id, "lock lost"),
    });
    this.#timers.push(
      setInterval(() => this.#quietly(this.#beat()), lostAfter / 3),
      setInterval(
        () => this.#quietly(this.#watchOwners()),
        INTERVALS.orphanAfter / 3,
      ),
    );
    this.ready = Promise.all([this.#worker.ready, this.#beat()]).then(() => {});
    // Nobody has to wait for it, and a worker that never begins must not be silent.
    this.#quietly(this.ready);
  }

  /** Resolves when it takes tasks. */
  readonly ready: Promise<void>;

  /**
   * Takes no more; resolves when everything has ended or was handed back, or the store does not
   * answer any more. A later call may bring the end of the grace forward.
   */
  stop(grace: number = this.#settings.grace): Promise<void> {
    const after = (milliseconds: number, timeUp: () => void) => {
      // Who joins a stop that is over has nothing to hurry.
      if (this.#hasStopped) return;
      const time = performance.now() + milliseconds;
      this.#stopTimers.push(timers.add(time, { timeUp }));
    };
    after(grace, () => {
      for (const id of this.#running.keys()) this.#end(id, "stopped");
    });
    // What could not be handed back counts as lost, later.
    after(grace + END_WITHIN + ANSWER_WITHIN, this.#abandoned.resolve);
    return this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    try {
      await Promise.race([this.#worker.close(), this.#abandoned.promise]);
    } finally {
      this.#hasStopped = true;
      for (const timer of this.#stopTimers) timers.remove(timer);
      for (const timer of this.#timers) clearInterval(timer);
    }
  }

  /** Says which names are known here, and learns the store's time. */
  async #beat(): Promise<void> {
    const { definitions, lostAfter } = this.#settings;
    await Promise.all([
      this.#readClock(),
      this.#names.announce(definitions.keys(), lostAfter),
    ]);
  }

  async #readClock(): Promise<number> {
    return this.#toStoreTime = await storeTimeOffset(this.#engine);
  }

  #quietly(work: Promise<unknown>): void {
    work.catch((error) => {
      if (this.#stopping === undefined && this.#engine.trouble === undefined) {
        this.#settings.report(error);
      }
    });
  }

  async #answer(job: TakenJob): Promise<JobEnd> {
    let answer: Answer;
    try {
      answer = await this.#take(job);
    } catch (error) {
      answer = { kind: "failed", reason: writeReason("failed", error) };
    }
    const { kind, counts = kind } = answer;
    this.stats[counts === "handed back" ? "handedBack" : counts]++;
    return answer;
  }

  async #take(job: TakenJob): Promise<Answer> {
    // A job that was on its way here while the worker was told to stop.
    if (this.#stopping !== undefined) return { kind: "handed back", delay: 0 };
    // An earlier run, whose lock was lost, has not ended here: the two would share one entry of
    // #running, and one lock in BullMQ, which stops renewing it when the first of them ends.
    if (this.#running.has(job.id)) {
      return { kind: "handed back", delay: soon() };
    }
    const definition = this.#settings.definitions.get(job.name);
    if (definition === undefined) return await this.#names.answer(job);
    const envelope = readEnvelope(job);
    const { owner } = envelope;
    if (owner !== undefined) {
      const state = await this.#owners.stateOf(owner);
      if (state === "silent") {
        return { kind: "handed back", delay: INTERVALS.orphanAfter / 4 };
      }
      if (state === "dead") {
        return endedEarly("orphaned", endingError(job.name, "orphaned"));
      }
    }
    let left = Infinity;
    if (envelope.deadline !== undefined) {
      const toStoreTime = this.#toStoreTime ?? await this.#readClock();
      left = envelope.deadline - toStoreTime - performance.now();
      if (left <= 0) throw deadlineError(job.name);
    }
    return job.lost === 0
      ? await this.#run(job, definition, envelope, left)
      : await this.#runAgain(job, definition, envelope, left);
  }

  /**
   * A task that was lost. Only runs that had begun count: of two workers' worth of tasks that were
   * taken along with one that kills its worker, those that had not begun lose nothing.
   */
  async #runAgain(
    job: TakenJob,
    definition: Definition,
    envelope: CheckedEnvelope,
    left: number,
  ): Promise<Answer> {
    const { maxLost } = this.#settings;
    // What nobody has written down is the first run.
    const { lostRuns = 1 } = envelope;
    if (lostRuns >= maxLost) return { kind: "failed", reason: LOST };
    // With their last chance, tasks never run two at a time on a worker, so that one which kills
    // its worker takes no other's last chance with it.
    const isLastChance = lostRuns >= maxLost - 1;
    if (isLastChance) {
      if (this.#lastChances.size > 0) {
        return { kind: "handed back", delay: soon() };
      }
      this.#lastChances.add(job.id);
    }
    try {
      // Counted before it begins: nobody could do so afterwards.
      await job.replaceEnvelope({ ...job.envelope, lostRuns: lostRuns + 1 });
      this.stats.takenOver++;
      const end = await this.#run(job, definition, envelope, left);
      const goesOn = end.kind === "handed back" ||
        (end.kind === "failed" && end.retryIn !== undefined);
      if (goesOn) await job.replaceEnvelope({ ...job.envelope, lostRuns });
      return end;
    } finally {
      this.#lastChances.delete(job.id);
    }
  }

  async #run(
    job: TakenJob,
    definition: Definition,
    envelope: CheckedEnvelope,
    left: number,
  ): Promise<Answer> {
    const input = decode(envelope.input);
    const progress = new Progress((value) => job.progress(value));
    let hasStarted = false;
    let thrown: { error: unknown } | undefined;
    const ended = withResolvers<void>();
    const begin = (span: Span | undefined) => {
      const handle = this.#settings.runner.submit(
        async (context) => {
          hasStarted = true;
          try {
            return await callHandler(
              definition,
              input,
              new ContextWith(context, job.id, context.signal),
            );
          } catch (error) {
            thrown = { error };
            throw error;
          } finally {
            ended.resolve();
          }
        },
        {
          name: job.name,
          priority: job.priority,
          timeout: envelope.timeout,
          deadline: left === Infinity ? undefined : performance.now() + left,
          key: envelope.key,
          weight: envelope.weight,
          onProgress: (value) =>
            progress.push(encode(value, `The progress of task ${job.name}`)),
        },
      );
      if (span !== undefined) endSpanWith(span, handle);
      return handle;
    };
    const handle = runTraced(envelope.trace, {
      "task.id": job.id,
      "task.name": job.name,
      "task.priority": job.priority,
      "task.queue_ms": this.#waitOf(job),
    }, begin);
    const running: Running = {
      handle,
      owner: envelope.owner,
      ending: undefined,
    };
    this.#running.set(job.id, running);
    this.stats.running++;
    try {
      let failure: { error: unknown } | undefined;
      let value: unknown;
      try {
        value = await handle;
      } catch (error) {
        failure = { error };
      }
      await progress.finish();
      if (running.ending !== undefined && failure !== undefined) {
        if (hasStarted) await this.#endOf(ended.promise, running.ending);
        const { error } = failure;
        const late = thrown && lateFailure(thrown.error, error);
        return endedEarly(running.ending, error, late);
      }
      if (failure === undefined) {
        return {
          kind: "succeeded",
          value: encode(value, `The result of task ${job.name}`),
        };
      }
      if (failure.error instanceof DisposedError) {
        // The local runner was shut down under this worker: it is no failure of the task.
        return { kind: "handed back", delay: 0 };
      }
      return failed(definition, job, failure.error);
    } finally {
      this.#running.delete(job.id);
      this.stats.running--;
    }
  }

  /** A task that was told to stop keeps its slot until it has. */
  async #endOf(ended: Promise<void>, ending: Ending): Promise<void> {
    if (ending === "stopped") await within(ended, END_WITHIN);
    else await ended;
  }

  #end(id: string, ending: Ending): void {
    const running = this.#running.get(id);
    if (running === undefined || running.ending !== undefined) return;
    running.ending = ending;
    running.handle.cancel(endingError(running.handle.name, ending));
  }

  /** How long it has waited in the queue, as far as the store's time is known. */
  #waitOf({ submittedAt }: TakenJob): number {
    if (this.#toStoreTime === undefined) return 0;
    return Math.max(0, performance.now() + this.#toStoreTime - submittedAt);
  }

  async #watchOwners(): Promise<void> {
    const owners = new Set(
      [...this.#running.values()].flatMap(({ owner }) => owner ?? []),
    );
    for (const owner of owners) {
      if (await this.#owners.stateOf(owner) !== "dead") continue;
      for (const [id, running] of this.#running) {
        if (running.owner === owner) this.#end(id, "orphaned");
      }
    }
  }
}
