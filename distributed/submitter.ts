/**
 * What one process has submitted or attached to: sends tasks, hears of outcomes, and sees to it
 * that the store agrees with what the handles say.
 *
 * The handle of a task is settled by whatever comes first: its outcome, or a cancel, timeout or
 * abort here. When it was the latter, the task is taken out of the store, or its worker is told;
 * should it have ended in that very moment, its record is removed, so that there is one outcome.
 *
 * @module
 */
import { DisposedError } from "@specify/async-core/runner";
import type { SubmitOptions, TaskPriority } from "@specify/async-core/runner";
import type { Span } from "@opentelemetry/api";
import * as check from "./check.ts";
import { ClusterHandle, type HandleOwner, settle } from "./cluster_handle.ts";
import { type Call, callOf, definitionOf } from "./define_task.ts";
import type {
  Engine,
  EngineListener,
  Found,
  KeepPolicy,
  NewJob,
  Outcome,
} from "./engine.ts";
import { ClusterUnreachableError, TaskNotFoundError } from "./errors.ts";
import { clockOffset, deadlineError } from "./clock.ts";
import { Outbox } from "./outbox.ts";
import { readOutcome } from "./outcome.ts";
import { decode, type Encoded, encodeWithin } from "./serialize.ts";
import { endSpan, submitSpan, traceparentOf } from "./tracing.ts";
import { show } from "./check.ts";

/** Longest delay of setTimeout; a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** Records that one question to the store asks for. */
const FOUND_AT_ONCE = 500;
/** How often a worker is told again of a cancel that it has not obeyed: it may have been lost. */
const CANCEL_AGAIN = 1000;
/** How long ended tasks are collected before their records are removed. */
const FORGET_AFTER = 100;

/** How a task is submitted to a cluster. */
export interface ClusterSubmitOptions extends SubmitOptions {
  /**
   * Makes the submit idempotent: while the queue has a task of this id, waiting, running or ended
   * and kept, no other is added, and the handle is that task's. Any text.
   * @default {a new unique id}
   */
  id?: string | undefined;
  /** How long the record stays after the end. @default {that of the runner} */
  keep?: KeepPolicy | undefined;
}

/** What a submitter is made with. */
export interface SubmitterSettings {
  readonly priority: TaskPriority;
  readonly timeout: number;
  readonly maxInputBytes: number;
  readonly maxQueue: number;
  readonly sendTimeout: number;
  readonly checkInterval: number;
  /** Records are removed when their outcome has been read. */
  readonly keep: KeepPolicy | undefined;
  /** Tasks end with their submitter when it was not heard of for so long; else Infinity. */
  readonly orphanAfter: number;
  readonly endOrphans: boolean;
  readonly report: (error: Error) => void;
}

type Timer = ReturnType<typeof setTimeout>;

/** A task that waits to be sent. */
interface Parcel {
  readonly handle: ClusterHandle<unknown>;
  readonly input: Encoded;
  readonly call: Call;
  readonly options: ClusterSubmitOptions;
  readonly timeout: number;
  readonly trace: string | undefined;
  /** The level that it was sent with. */
  sentPriority: TaskPriority;
}

interface Waiter {
  readonly isDue: () => boolean;
  readonly wake: () => void;
}

/** Ids that no other process makes, and short. */
let counter = 0;
let prefixOfIds: string | undefined;

function newId(): string {
  prefixOfIds ??= crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  return `${prefixOfIds}-${++counter}`;
}

/** Everything that this process knows of its tasks on the cluster. */
export class Submitter implements HandleOwner, EngineListener {
  // Invariant: #open holds, by id, exactly the handles of tasks that have not ended where they
  // run (`hasEnded` is false), settled or not. #ended takes them out, once. #cancelling holds
  // ids whose handles are settled while the store may still have the task; always a part of
  // #open. #ids of ended tasks go to #forgotten only after the store has confirmed their adding:
  // an add that is sent again would otherwise make the task anew.
  readonly #engine: Engine;
  readonly #settings: SubmitterSettings;
  readonly #outbox: Outbox<Parcel>;
  readonly #open = new Map<string, ClusterHandle<unknown>[]>();
  readonly #cancelling = new Set<string>();
  readonly #parcels = new Map<ClusterHandle<unknown>, Parcel>();
  readonly #waiters = new Set<Waiter>();
  readonly #owner = crypto.randomUUID();
  #forgotten: string[] = [];
  #forgetTimer: Timer | undefined;
  #checkTimer: Timer | undefined;
  #beatTimer: Timer | undefined;
  #cancelTimer: Timer | undefined;
  #listening: Promise<void> | undefined;
  /** The store's clock minus ours. */
  #clockOffset = 0;
  #isClosed = false;
  /** How often a worker was lost with a task that is ours. */
  lostCount = 0;
  /** Tasks by how they ended, as the handles say. */
  readonly ends = { succeeded: 0, failed: 0, cancelled: 0 };
  submitted = 0;

  constructor(engine: Engine, settings: SubmitterSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.#outbox = new Outbox((parcels) => this.#send(parcels));
  }

  /** Handles whose tasks have not ended. */
  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#settings.maxQueue;
  }

  /** The handles of tasks that have not ended. */
  handles(): ClusterHandle<unknown>[] {
    return [...this.#open.values()].flat();
  }

  submit<T>(
    task: unknown,
    options: ClusterSubmitOptions = {},
    refusal?: () => unknown,
  ): ClusterHandle<T> {
    const call = callOf(task);
    if (call === undefined) throw noDefinedTask(task);
    const { definition } = call;
    const settings = this.#settings;
    const priority = options.priority === undefined
      ? settings.priority
      : check.priority(options.priority);
    const timeout = options.timeout === undefined
      ? definition.timeout === Infinity ? settings.timeout : definition.timeout
      : check.duration("timeout", options.timeout);
    const { deadline = Infinity, signal, weight, onProgress } = options;
    if (typeof deadline !== "number" || Number.isNaN(deadline)) {
      throw new RangeError(
        `deadline must be a point on the performance.now() line, got ${
          show(deadline)
        }`,
      );
    }
    if (weight !== undefined) check.integer("weight", weight);
    if (options.id !== undefined) check.text("id", options.id);
    if (onProgress !== undefined) check.functionNamed("onProgress", onProgress);
    checkKeep(options.keep);
    const name = options.name ?? definition.name;
    const handle = new ClusterHandle<T>(
      options.id ?? newId(),
      name,
      priority,
      this,
    );
    handle.onProgress = onProgress;
    handle.isShared = options.id !== undefined;
    if (refusal !== undefined || this.#isClosed) {
      handle.hasEnded = true;
      this.#settle(
        handle,
        "failed",
        refusal?.() ?? new DisposedError("ClusterRunner.submit()"),
      );
      return handle;
    }
    if (signal?.aborted) {
      handle.hasEnded = true;
      this.#settle(handle, "cancelled", signal.reason);
      return handle;
    }
    const left = deadline - performance.now();
    if (left <= 0) {
      handle.hasEnded = true;
      this.#settle(handle, "failed", deadlineError(name));
      return handle;
    }
    const input = encodeWithin(
      call.input,
      `The input of task ${name}`,
      settings.maxInputBytes,
    );
    const span = submitSpan(handle.id, name, priority);
    if (span !== undefined) this.#endWith(handle, span);
    const parcel: Parcel = {
      handle,
      input,
      call,
      options,
      timeout,
      trace: span && traceparentOf(span),
      sentPriority: priority,
    };
    this.submitted++;
    this.#register(handle);
    this.#parcels.set(handle, parcel);
    this.#outbox.add(parcel);
    if (left < Infinity) this.#setDeadline(handle, deadline);
    else if (settings.sendTimeout < Infinity) this.#setSendTimeout(handle);
    if (signal !== undefined) listen(handle, signal);
    return handle;
  }

  /** A handle on a task that is in the queue already. */
  attach<T>(id: string): ClusterHandle<T> {
    check.text("id", id);
    const handle = new ClusterHandle<T>(id, id, this.#settings.priority, this);
    handle.isShared = true;
    if (this.#isClosed) {
      handle.hasEnded = true;
      this.#settle(
        handle,
        "failed",
        new DisposedError("ClusterRunner.attach()"),
      );
      return handle;
    }
    handle.isAsking = !this.#open.has(id);
    this.#register(handle);
    this.#listen().then(async () => {
      handle.isStored = true;
      await this.#check([id]);
      handle.isAsking = false;
      // For what happened between that answer and now.
      if (!handle.hasEnded) await this.#check([id]);
      // Should this fail, the next check asks again.
    }).catch((error) => {
      handle.isAsking = false;
      this.#failed(error);
    });
    return handle;
  }

  cancel(handle: ClusterHandle<unknown>, reason: unknown): void {
    if (!isUnsettled(handle)) return;
    // One task, one outcome: all handles of it are cancelled.
    for (const one of this.#open.get(handle.id) ?? [handle]) {
      if (isUnsettled(one)) this.#settle(one, "cancelled", reason);
    }
    this.#takeBack(handle);
  }

  setPriority(handle: ClusterHandle<unknown>, priority: TaskPriority): void {
    check.priority(priority);
    if (handle.state !== "queued" || handle.priority === priority) return;
    handle.priority = priority;
    // Not sent yet: it goes out with the new level. Being sent: #send looks at the level again.
    if (!handle.isStored) return;
    this.#engine.reprioritise(handle.id, priority)
      .catch((error) => this.#failed(error));
  }

  /** Resolves when no task of this process is left; rejects with the reason of `signal`. */
  onIdle(signal?: AbortSignal): Promise<void> {
    return this.#when(() => this.#open.size === 0, signal);
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#when(() => !this.isFull, signal);
  }

  // What the engine tells.

  started(id: string): void {
    for (const handle of this.#open.get(id) ?? []) {
      if (handle.state === "queued") handle.state = "running";
    }
  }

  ended(id: string, outcome: Outcome): void {
    const handles = this.#open.get(id);
    if (handles !== undefined && !handles[0]?.isAsking) {
      this.#learnEnd(id, outcome, handles);
    }
  }

  #learnEnd(
    id: string,
    outcome: Outcome,
    handles: ClusterHandle<unknown>[],
  ): void {
    if (outcome.succeeded && !handles.some(isUnsettled)) {
      // It succeeded in the moment in which it was cancelled here: its record must not say so.
      this.#engine.forget([id]).catch((error) => this.#failed(error))
        .then(() => this.#gone(id, handles));
      return;
    }
    for (const handle of handles) {
      if (!isUnsettled(handle)) continue;
      const { state, value } = readOutcome(outcome, handle.name, id);
      this.#settle(handle, state, value);
    }
    this.#ended(id);
  }

  removed(id: string): void {
    const handles = this.#open.get(id);
    if (handles !== undefined && !handles[0]?.isAsking) {
      this.#gone(id, handles);
    }
  }

  /** The store has the task no more. A handle that was attached meanwhile hears of it too. */
  #gone(id: string, handles: ClusterHandle<unknown>[]): void {
    // Ended in another way meanwhile, and perhaps attached to anew.
    if (this.#open.get(id) !== handles) return;
    for (const handle of handles) {
      if (!isUnsettled(handle)) continue;
      this.#settle(
        handle,
        "cancelled",
        new DOMException(
          `Task ${handle.name} (${id}) was taken out of the queue: by another process that has ` +
            `a handle on it, or by hand`,
          "AbortError",
        ),
      );
    }
    this.#ended(id);
  }

  progressed(id: string, value: Encoded): void {
    for (const handle of this.#open.get(id) ?? []) {
      if (handle.onProgress === undefined || !isUnsettled(handle)) continue;
      try {
        handle.onProgress(decode(value));
      } catch (error) {
        // As everywhere: a listener that throws changes nothing, and is not silent.
        console.error(`onProgress of task ${handle.name} failed:`, error);
      }
    }
  }

  lost(id: string): void {
    if (this.#open.has(id)) this.lostCount++;
  }

  reconnected(): void {
    this.#checkAll().catch((error) => this.#failed(error));
  }

  /** Ends it. What is open then settles as failed: nobody listens any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#checkTimer);
    clearInterval(this.#beatTimer);
    clearInterval(this.#cancelTimer);
    clearTimeout(this.#forgetTimer);
    for (const handle of this.handles()) {
      if (isUnsettled(handle)) {
        this.#settle(
          handle,
          "failed",
          new DisposedError(
            "ClusterRunner",
            "The task goes on without this handle.",
          ),
        );
      }
      this.#ended(handle.id);
    }
    clearTimeout(this.#forgetTimer);
    if (this.#engine.trouble === undefined) await this.#forgetNow();
  }

  #register(handle: ClusterHandle<unknown>): void {
    const others = this.#open.get(handle.id);
    if (others === undefined) this.#open.set(handle.id, [handle]);
    else others.push(handle);
    // Set once: a timer for each task that comes and goes would cost more than it does.
    this.#checkTimer ??= setInterval(
      () => this.reconnected(),
      this.#settings.checkInterval,
    );
  }

  #settle(
    handle: ClusterHandle<unknown>,
    state: "queued" | "running" | "succeeded" | "failed" | "cancelled",
    value: unknown,
  ): void {
    if (state === "succeeded" || state === "failed" || state === "cancelled") {
      this.ends[state]++;
    }
    handle[settle](state, value);
  }

  #endWith(handle: ClusterHandle<unknown>, span: Span): void {
    handle.then(
      () => endSpan(span, "succeeded", undefined),
      (error) => endSpan(span, handle.state, error),
    );
  }

  #setDeadline(handle: ClusterHandle<unknown>, deadline: number): void {
    const left = deadline - performance.now();
    handle.timer = setTimeout(() => {
      if (performance.now() < deadline) {
        return this.#setDeadline(handle, deadline);
      }
      this.#giveUp(handle, deadlineError(handle.name));
    }, Math.min(Math.max(0, left), LONGEST_TIMER));
  }

  #setSendTimeout(handle: ClusterHandle<unknown>): void {
    const { sendTimeout } = this.#settings;
    handle.timer = setTimeout(() => {
      if (handle.isStored) return;
      this.#giveUp(
        handle,
        new ClusterUnreachableError(
          this.#engine.address,
          `The submit of task ${handle.name}`,
          this.#engine.trouble ??
            new Error(`no answer within sendTimeout, ${sendTimeout} ms`),
        ),
      );
    }, Math.min(sendTimeout, LONGEST_TIMER));
  }

  #giveUp(handle: ClusterHandle<unknown>, error: unknown): void {
    if (!isUnsettled(handle)) return;
    this.#settle(handle, "failed", error);
    this.#takeBack(handle);
  }

  /** Takes a settled handle's task out of the store, wherever it is on its way. */
  #takeBack(handle: ClusterHandle<unknown>): void {
    const parcel = this.#parcels.get(handle);
    if (parcel !== undefined && this.#outbox.delete(parcel)) {
      // It never went out.
      this.#parcels.delete(handle);
      return this.#ended(handle.id);
    }
    // While it is being sent, #send comes back to it.
    if (handle.isStored) this.#cancelInStore(handle.id);
  }

  #cancelInStore(id: string): void {
    if (this.#cancelling.has(id) || !this.#open.has(id)) return;
    this.#cancelling.add(id);
    this.#cancelTimer ??= setInterval(
      () => this.#cancelAgain(),
      CANCEL_AGAIN,
    );
    this.#tellCancel(id);
  }

  #tellCancel(id: string): void {
    const handles = this.#open.get(id) ?? [];
    this.#engine.cancel(id).then(
      (result) => {
        if (result !== "told") this.#gone(id, handles);
      },
      (error) => this.#failed(error),
    );
  }

  /** A worker that was told may have been lost since: the store is asked again until it is over. */
  #cancelAgain(): void {
    if (this.#engine.trouble !== undefined) return;
    for (const id of this.#cancelling) this.#tellCancel(id);
  }

  /** The task has ended where it ran, or never will run. */
  #ended(id: string): void {
    const handles = this.#open.get(id);
    if (handles === undefined) return;
    this.#open.delete(id);
    this.#cancelling.delete(id);
    if (this.#cancelling.size === 0) {
      clearInterval(this.#cancelTimer);
      this.#cancelTimer = undefined;
    }
    for (const handle of handles) {
      handle.hasEnded = true;
      handle.onEnded?.();
      this.#forget(handle);
    }
    for (const waiter of this.#waiters) if (waiter.isDue()) waiter.wake();
  }

  #forget(handle: ClusterHandle<unknown>): void {
    if (
      !handle.isStored || handle.isShared || this.#settings.keep !== undefined
    ) return;
    this.#forgotten.push(handle.id);
    if (this.#isClosed) return;
    this.#forgetTimer ??= setTimeout(
      () => this.#forgetNow(),
      FORGET_AFTER,
    );
  }

  async #forgetNow(): Promise<void> {
    this.#forgetTimer = undefined;
    const ids = this.#forgotten;
    this.#forgotten = [];
    if (ids.length === 0) return;
    try {
      await this.#engine.forget(ids);
    } catch (error) {
      // Their age removes them in the end.
      this.#failed(error);
    }
  }

  /** Sends what was submitted. Never rejects. */
  async #send(parcels: Parcel[]): Promise<void> {
    try {
      await this.#listen();
      await this.#engine.add(parcels.map((parcel) => this.#job(parcel)));
    } catch (cause) {
      for (const { handle } of parcels) {
        this.#parcels.delete(handle);
        if (isUnsettled(handle)) {
          this.#settle(
            handle,
            "failed",
            new Error(
              `Task ${handle.name} could not be submitted to Redis at ${this.#engine.address}: ${
                cause instanceof Error ? cause.message : String(cause)
              }`,
              { cause },
            ),
          );
        }
        // Some of the batch may have got through.
        handle.isStored = true;
        this.#cancelInStore(handle.id);
      }
      return;
    }
    const shared: string[] = [];
    for (const { handle, sentPriority } of parcels) {
      this.#parcels.delete(handle);
      handle.isStored = true;
      if (handle.priority !== sentPriority) {
        this.#engine.reprioritise(handle.id, handle.priority)
          .catch((error) => this.#failed(error));
      }
      if (handle.hasEnded) {
        // Its outcome overtook the answer to its adding.
        this.#forget(handle);
        continue;
      }
      if (!isUnsettled(handle)) this.#cancelInStore(handle.id);
      else if (handle.isShared) shared.push(handle.id);
    }
    // A task of the same id may have ended long ago: no event will tell.
    if (shared.length > 0) {
      await this.#check(shared).catch((error) => this.#failed(error));
    }
  }

  #job(parcel: Parcel): NewJob {
    const { handle, input, call, options, timeout, trace } = parcel;
    parcel.sentPriority = handle.priority;
    const { definition } = call;
    const { deadline = Infinity } = options;
    const { endOrphans } = this.#settings;
    const key = options.key ??
      (definition.key === undefined
        ? undefined
        : definition.key(call.input as never));
    return {
      id: handle.id,
      name: definition.name,
      priority: handle.priority,
      attempts: (definition.retry?.maxRetries ?? 0) + 1,
      keep: options.keep ?? this.#settings.keep ?? {},
      envelope: {
        input,
        timeout: timeout === Infinity ? undefined : timeout,
        deadline: deadline === Infinity
          ? undefined
          : Date.now() + this.#clockOffset + deadline - performance.now(),
        key: key === undefined ? undefined : String(key),
        weight: options.weight,
        trace,
        owner: endOrphans ? this.#owner : undefined,
        level: handle.priority,
      },
    };
  }

  /** Once: hears of everything from now on, and knows the store's clock. */
  #listen(): Promise<void> {
    return this.#listening ??= this.#beginToListen().catch((error) => {
      this.#listening = undefined;
      throw error;
    });
  }

  async #beginToListen(): Promise<void> {
    const { endOrphans, orphanAfter } = this.#settings;
    const [offset] = await Promise.all([
      clockOffset(this.#engine),
      this.#engine.listen(this),
      endOrphans ? this.#engine.beat(this.#owner, orphanAfter) : undefined,
    ]);
    this.#clockOffset = offset;
    if (!endOrphans || this.#isClosed) return;
    this.#beatTimer = setInterval(() => {
      this.#engine.beat(this.#owner, orphanAfter)
        .catch((error) => this.#failed(error));
    }, orphanAfter / 3);
  }

  async #checkAll(): Promise<void> {
    if (this.#open.size === 0) return;
    const ids = [...this.#open].filter(([, [handle]]) => handle?.isStored)
      .map(([id]) => id);
    this.#clockOffset = await clockOffset(this.#engine);
    for (let start = 0; start < ids.length; start += FOUND_AT_ONCE) {
      await this.#check(ids.slice(start, start + FOUND_AT_ONCE));
    }
  }

  /** Asks the store what became of tasks, and does what their events would have done. */
  async #check(ids: string[]): Promise<void> {
    const found = await this.#engine.find(ids);
    ids.forEach((id, index) => this.#learn(id, found[index]));
  }

  #learn(id: string, found: Found | undefined): void {
    const handles = this.#open.get(id);
    if (handles === undefined) return;
    if (found?.outcome !== undefined) {
      return this.#learnEnd(id, found.outcome, handles);
    }
    if (found !== undefined) {
      if (found.isRunning) this.started(id);
      return;
    }
    for (const handle of handles) {
      if (isUnsettled(handle)) {
        this.#settle(handle, "failed", new TaskNotFoundError(id));
      }
    }
    this.#ended(id);
  }

  #when(isDue: () => boolean, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (isDue()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        isDue,
        wake: () => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  #failed(error: unknown): void {
    if (this.#isClosed || this.#engine.trouble !== undefined) return;
    this.#settings.report(
      error instanceof Error ? error : new Error(String(error)),
    );
  }
}

function isUnsettled(handle: ClusterHandle<unknown>): boolean {
  return handle.state === "queued" || handle.state === "running";
}

function listen(handle: ClusterHandle<unknown>, signal: AbortSignal): void {
  const cancel = () => handle.cancel(signal.reason);
  signal.addEventListener("abort", cancel, { once: true });
  handle.unsubscribe = () => signal.removeEventListener("abort", cancel);
}

function noDefinedTask(task: unknown): TypeError {
  const given = definitionOf(task) !== undefined
    ? `the defined task ${show(task)} itself: call it with its input`
    : `${
      show(task)
    }, which cannot be sent to another machine: define it by name, const task = ` +
      `defineTask("name", (input) => …), and submit task(input)`;
  return new TypeError(`task must be made by a defined task, got ${given}`);
}

/** Checks how long records are to stay. */
export function checkKeep(keep: KeepPolicy | undefined): void {
  if (keep === undefined) return;
  if (keep.age !== undefined) check.duration("keep.age", keep.age);
  if (keep.count !== undefined) {
    check.integerOrInfinity("keep.count", keep.count, 0);
  }
}
