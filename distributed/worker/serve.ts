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
  type AsyncRunner,
  DisposedError,
  type TaskHandle,
} from "@specify/async-core/runner";
import type { Span } from "@opentelemetry/api";
import { callHandler, ContextWith, type Definition } from "../define_task.ts";
import type {
  Engine,
  EngineWorker,
  Envelope,
  JobEnd,
  TakenJob,
} from "../engine.ts";
import { UnknownTaskError } from "../errors.ts";
import { writeReason } from "../outcome.ts";
import { decode, encode } from "../serialize.ts";
import { clockOffset, deadlineError } from "../clock.ts";
import { endSpan, runTraced } from "../tracing.ts";
import { Progress } from "./progress.ts";

/** How long a task that was told to stop may take to end before its job is handed back anyway. */
const END_WITHIN = 1000;

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
  readonly progressInterval: number;
  readonly orphanAfter: number;
  readonly report: (error: Error) => void;
}

/** What a worker has done so far. */
export interface WorkerStatistics {
  /** Tasks that run here now. */
  running: number;
  /** Ended with a result. */
  succeeded: number;
  /** Ended with an error; one that will be tried again counts each time. */
  failed: number;
  /** Cancelled by their submitters while they ran here. */
  cancelled: number;
  /** Given back to the queue: at a stop, or for workers that know their name. */
  handedBack: number;
  /** Taken over from a worker that was lost. */
  takenOver: number;
  /** Lost to another worker, since this one was not heard of for too long. */
  lost: number;
}

/** Why a running job is being ended before its time. */
type Ending = "cancelled" | "lock lost" | "stopped" | "orphaned";

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
  readonly #running = new Map<string, Running>();
  readonly #lastChances = new Set<string>();
  /** Since when this worker has seen jobs that nobody knows. */
  readonly #unknown = new Map<string, number>();
  /** Since when submitters have not been heard of. */
  readonly #silentOwners = new Map<string, number>();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  /** The store's clock minus ours. */
  #clockOffset = 0;
  #stopping: Promise<void> | undefined;

  constructor(engine: Engine, settings: ServeSettings) {
    this.#engine = engine;
    this.#settings = settings;
    const { lostAfter, orphanAfter } = settings;
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
        Math.max(10, orphanAfter / 3),
      ),
    );
    this.ready = Promise.all([this.#worker.ready, this.#beat()]).then(() => {});
    this.ready.catch(() => {});
  }

  /** Resolves when it takes tasks. */
  readonly ready: Promise<void>;

  /** Takes no more; resolves when everything has ended or was handed back. */
  stop(grace: number = this.#settings.grace): Promise<void> {
    return this.#stopping ??= this.#stop(grace);
  }

  async #stop(grace: number): Promise<void> {
    const closed = this.#worker.close();
    const timer = grace === Infinity ? undefined : setTimeout(() => {
      for (const id of this.#running.keys()) this.#end(id, "stopped");
    }, grace);
    await closed;
    clearTimeout(timer);
    for (const one of this.#timers) clearInterval(one);
  }

  /** Says which names are known here, and learns the store's time. */
  async #beat(): Promise<void> {
    const { definitions, lostAfter } = this.#settings;
    await Promise.all([
      clockOffset(this.#engine).then((offset) => this.#clockOffset = offset),
      ...[...definitions.keys()].map((name) =>
        this.#engine.beat(knows(name), lostAfter)
      ),
    ]);
  }

  #quietly(work: Promise<unknown>): void {
    work.catch((error) => {
      if (this.#stopping === undefined && this.#engine.trouble === undefined) {
        this.#settings.report(error);
      }
    });
  }

  async #answer(job: TakenJob): Promise<JobEnd> {
    let end: JobEnd;
    try {
      end = await this.#run(job);
    } catch (error) {
      end = { kind: "failed", reason: writeReason("failed", error) };
    }
    if (end.kind === "handed back") this.stats.handedBack++;
    else this.stats[end.kind]++;
    return end;
  }

  async #run(job: TakenJob): Promise<JobEnd> {
    // A job that was on its way here while the worker was told to stop.
    if (this.#stopping !== undefined) return { kind: "handed back", delay: 0 };
    const { maxLost } = this.#settings;
    const definition = this.#settings.definitions.get(job.name);
    if (definition === undefined) return await this.#unknownTask(job);
    const envelope = readEnvelope(job);
    if (envelope.owner !== undefined) {
      const answer = await this.#checkOwner(envelope.owner, job.name);
      if (answer !== undefined) return answer;
    }
    const left = envelope.deadline === undefined
      ? Infinity
      : envelope.deadline - Date.now() - this.#clockOffset;
    if (left <= 0) throw deadlineError(job.name);
    if (job.lost > 0) this.stats.takenOver++;
    // One that was lost before, with its last chance: such tasks never run two at a time on a
    // worker, so that one which kills its worker takes no other's last chance with it.
    const isLastChance = job.lost > 0 && job.lost >= maxLost - 1;
    if (isLastChance && this.#lastChances.size > 0) {
      return { kind: "handed back", delay: 50 + Math.random() * 200 };
    }
    if (isLastChance) this.#lastChances.add(job.id);
    try {
      return await this.#runTask(job, definition, envelope, left);
    } finally {
      this.#lastChances.delete(job.id);
    }
  }

  async #runTask(
    job: TakenJob,
    definition: Definition,
    envelope: CheckedEnvelope,
    left: number,
  ): Promise<JobEnd> {
    const input = decode(envelope.input);
    const progress = new Progress(
      (value) => job.progress(value),
      this.#settings.progressInterval,
    );
    let hasStarted = false;
    let tellEnded = () => {};
    const ended = new Promise<void>((resolve) => tellEnded = resolve);
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
          } finally {
            tellEnded();
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
      if (span !== undefined) {
        handle.then(
          () => endSpan(span, "succeeded", undefined),
          (error) => endSpan(span, handle.state, error),
        );
      }
      return handle;
    };
    const handle = runTraced(envelope.trace, {
      "task.id": job.id,
      "task.name": job.name,
      "task.priority": job.priority,
      "task.queue_ms": Math.max(0, Date.now() - job.submittedAt),
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
        if (hasStarted) await this.#endOf(ended, running.ending);
        return this.#endedEarly(running.ending, failure.error);
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
    if (ending !== "stopped") return await ended;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      ended,
      new Promise<void>((resolve) => timer = setTimeout(resolve, END_WITHIN)),
    ]);
    clearTimeout(timer);
  }

  #endedEarly(ending: Ending, error: unknown): JobEnd {
    switch (ending) {
      case "stopped":
        return { kind: "handed back", delay: 0 };
      case "lock lost":
        this.stats.lost++;
        // The store refuses it: the job is another worker's.
        return { kind: "failed", reason: writeReason("failed", error) };
      case "cancelled":
      case "orphaned":
        this.stats.cancelled++;
        return { kind: "failed", reason: writeReason("cancelled", error) };
    }
  }

  #end(id: string, ending: Ending): void {
    const running = this.#running.get(id);
    if (running === undefined || running.ending !== undefined) return;
    running.ending = ending;
    running.handle.cancel(
      new DOMException(
        `Task ${running.handle.name} ${WHY[ending]}`,
        "AbortError",
      ),
    );
  }

  /** Left for others; failed when nobody knows it for `unknownAfter`. */
  async #unknownTask(job: TakenJob): Promise<JobEnd> {
    const { unknownAfter } = this.#settings;
    const now = performance.now();
    const since = this.#unknown.get(job.id) ?? now;
    const isKnown = await this.#engine.lives(knows(job.name));
    if (!isKnown && now - since >= unknownAfter) {
      this.#unknown.delete(job.id);
      throw new UnknownTaskError(job.name, unknownAfter);
    }
    // Somebody who knows it may be busy for long: the time begins anew.
    this.#unknown.set(job.id, isKnown ? now : since);
    for (const [id, seen] of this.#unknown) {
      // Those that others have taken since.
      if (now - seen > 10 * unknownAfter) this.#unknown.delete(id);
    }
    const delay = Math.min(Math.max(unknownAfter / 10, 10), 500);
    return { kind: "handed back", delay: delay * (0.5 + Math.random()) };
  }

  /** Waits for a submitter that is silent before its task is given up: it may be reconnecting. */
  async #checkOwner(owner: string, task: string): Promise<JobEnd | undefined> {
    if (await this.#engine.lives(owner)) {
      this.#silentOwners.delete(owner);
      return undefined;
    }
    const { orphanAfter } = this.#settings;
    const now = performance.now();
    const since = this.#silentOwners.get(owner) ?? now;
    this.#silentOwners.set(owner, since);
    if (now - since < orphanAfter / 2) {
      return { kind: "handed back", delay: orphanAfter / 4 };
    }
    this.stats.cancelled++;
    return {
      kind: "failed",
      reason: writeReason(
        "cancelled",
        new DOMException(`Task ${task} ${WHY.orphaned}`, "AbortError"),
      ),
    };
  }

  async #watchOwners(): Promise<void> {
    const owners = new Set(
      [...this.#running.values()].flatMap(({ owner }) => owner ?? []),
    );
    const now = performance.now();
    for (const owner of owners) {
      if (await this.#engine.lives(owner)) {
        this.#silentOwners.delete(owner);
        continue;
      }
      const since = this.#silentOwners.get(owner) ?? now;
      this.#silentOwners.set(owner, since);
      if (now - since < this.#settings.orphanAfter / 2) continue;
      for (const [id, running] of this.#running) {
        if (running.owner === owner) this.#end(id, "orphaned");
      }
    }
  }
}

const WHY: Readonly<Record<Ending, string>> = {
  "cancelled": "was cancelled by its submitter",
  "lock lost":
    "was given to another worker: this one was not heard of for longer than lostAfter",
  "stopped": "was handed back: its worker stops",
  "orphaned": "was cancelled: its submitter is not heard of any more",
};

/** The key under which workers say that they know a name. */
function knows(name: string): string {
  return `knows:${name}`;
}

function failed(
  { retry }: Definition,
  job: TakenJob,
  error: unknown,
): JobEnd {
  const reason = writeReason("failed", error);
  const { attempt } = job;
  const isWanted = retry !== undefined &&
    (retry.retryOn?.({ attempt, error }) ?? true);
  return isWanted
    ? { kind: "failed", reason, retryIn: retry.getJitteredDelay(attempt - 1) }
    : { kind: "failed", reason };
}

interface CheckedEnvelope {
  readonly input: unknown;
  readonly timeout: number | undefined;
  readonly deadline: number | undefined;
  readonly key: string | undefined;
  readonly weight: number | undefined;
  readonly trace: string | undefined;
  readonly owner: string | undefined;
}

/** What came from the queue is data: each part is taken only if it is of its kind. */
function readEnvelope({ envelope }: TakenJob): CheckedEnvelope {
  return {
    input: envelope.input,
    timeout: number(envelope, "timeout"),
    deadline: number(envelope, "deadline"),
    key: text(envelope, "key"),
    weight: Number.isSafeInteger(envelope.weight)
      ? number(envelope, "weight")
      : undefined,
    trace: text(envelope, "trace"),
    owner: text(envelope, "owner"),
  };
}

function number(
  envelope: Partial<Envelope>,
  name: "timeout" | "deadline" | "weight",
): number | undefined {
  const value: unknown = envelope[name];
  return typeof value === "number" && value >= 0 ? value : undefined;
}

function text(
  envelope: Partial<Envelope>,
  name: "key" | "trace" | "owner",
): string | undefined {
  const value: unknown = envelope[name];
  return typeof value === "string" ? value : undefined;
}
