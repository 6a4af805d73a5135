/**
 * Structured concurrency: no task outlives its scope.
 *
 *     open ──body and tasks have ended──▶ closing ──clean-ups have run──▶ closed
 *       │                                    ▲
 *       └──failure or abort──▶ ending ───────┘   (everything is cancelled and awaited)
 *
 * An open scope is accepted work of its runner, like a task: a shutdown waits for it, lets its
 * tasks in meanwhile, and cancels it with everything else when its patience is over.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { abortError, DisposedError } from "../../_internal/errors.ts";
import {
  checkPriority,
  checkSignal,
  functionNamed,
} from "../../_internal/validate.ts";
import type { OpenScope } from "../scheduler/admission.ts";
import { JobHandle, markHandled } from "../scheduler/handle.ts";
import { ended, settle } from "../scheduler/job.ts";
import { JobGroup, type RunnerGroup } from "../scheduler/job_group.ts";
import type { SchedulerCore } from "../scheduler/core.ts";
import type {
  SubmitOptions,
  Task,
  TaskHandle,
  TaskRunner,
  TaskState,
} from "../types.ts";

/**
 * What the body of a scope is given. It is a runner itself, so it can be passed on as the
 * `runner` of a stream, a walk or a download, which then end with the scope.
 */
export interface TaskScope extends TaskRunner {
  /** Aborts when the scope fails, is cancelled from outside, or has ended. */
  readonly signal: AbortSignal;
  /** Registers a clean-up; they run last in, first out, when all tasks of the scope have ended. */
  defer(cleanup: () => unknown): void;
  /**
   * Opens a scope within this one: it ends first, and its failure is this one's, whether or not
   * somebody catches it. For one that may fail on its own, open it with `runner.scope(body,
   * { signal: scope.signal })`: it is cancelled along with this one, and no more.
   */
  scope<T>(
    body: (scope: TaskScope) => T | PromiseLike<T>,
    options?: ScopeOptions,
  ): Promise<T>;
}

/** How to open a scope. */
export interface ScopeOptions {
  /** Cancels the scope and everything in it, with its own reason. */
  signal?: AbortSignal | undefined;
  /** Level for tasks that name none. */
  priority?: SubmitOptions["priority"];
}

/** Runs `body` in a new scope; settles when everything that belongs to it has ended. */
export async function runScope<T>(
  settings: ScopeSettings,
  body: (scope: TaskScope) => T | PromiseLike<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  functionNamed("body", body);
  if (signal !== undefined) checkSignal("signal", signal);
  if (signal?.aborted) throw signal.reason;
  return await new Scope(settings, signal).run(body);
}

/** What a scope inherits. */
export interface ScopeSettings {
  core: SchedulerCore;
  /** The runner that the scope belongs to, when that shares the scheduler. */
  group: RunnerGroup | undefined;
  /** What a task that says nothing else is submitted with. */
  defaults: SubmitOptions | undefined;
}

/** The handle of a task in a scope: tells the scope of a failure. */
class ScopeHandle<T> extends JobHandle<T> {
  scope: Scope | undefined;

  override [settle](state: TaskState, value: unknown): void {
    super[settle](state, value);
    if (state === "failed" && this.scope !== undefined) {
      // The scope reports it, so that it is no unhandled rejection as well.
      markHandled(this);
      this.scope.fail(value);
    }
  }

  [ended](failed: boolean, value: unknown): void {
    if (failed) this.scope?.failedLate(this.state, this.extras?.cutOff, value);
  }
}

// As for its superclass: a subclass has a `constructor` of its own, and `then` would call it.
Object.defineProperty(ScopeHandle.prototype, "constructor", { value: Promise });

class Scope implements TaskScope, OpenScope {
  // Invariant: #tasks holds every task that has not really ended, #scopes every inner scope;
  // once #isEnding, both only shrink. #errors holds each failure once, in the order of arrival.
  readonly #settings: ScopeSettings;
  readonly #core: SchedulerCore;
  readonly #controller = new AbortController();
  readonly #tasks: JobGroup;
  readonly #scopes = new Set<Promise<unknown>>();
  readonly #cleanups: (() => unknown)[] = [];
  readonly #errors: unknown[] = [];
  readonly #subscription: AbortSubscription | undefined;
  #isEnding = false;
  #isClosed = false;
  #cancelReason: { reason: unknown } | undefined;

  constructor(settings: ScopeSettings, signal: AbortSignal | undefined) {
    this.#settings = settings;
    this.#core = settings.core;
    this.#tasks = new JobGroup(settings.group);
    this.#subscription = signal &&
      onAbort(signal, (reason) => this.cancel(reason));
  }

  /** Ends the scope from outside. */
  cancel(reason: unknown): void {
    if (this.#isEnding) return;
    this.#cancelReason = { reason };
    this.#end(reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isFull(): boolean {
    return this.#core.isFull;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#core.ready(
      // Nobody waits for room in a scope that is over.
      signal === undefined
        ? this.signal
        : AbortSignal.any([signal, this.signal]),
    );
  }

  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    const handle = new ScopeHandle(task, this.#core);
    if (this.#isEnding || this.#isClosed) {
      // Refused: the handle is cancelled with what ended the scope.
      handle.state = "cancelled";
      handle[settle](
        "cancelled",
        this.signal.aborted
          ? this.signal.reason
          : new DisposedError("scope.submit()", "The scope has ended."),
      );
      return handle;
    }
    handle.scope = this;
    // Part of what was accepted when the scope was opened.
    this.#core.submit(
      handle,
      withDefaults(options, this.#settings.defaults),
      this.#tasks,
      true,
    );
    return handle;
  }

  defer(cleanup: () => unknown): void {
    functionNamed("cleanup", cleanup);
    if (this.#isClosed) {
      throw new DisposedError("scope.defer()", "The scope has ended.");
    }
    this.#cleanups.push(cleanup);
  }

  scope<T>(
    body: (scope: TaskScope) => T | PromiseLike<T>,
    options: ScopeOptions = {},
  ): Promise<T> {
    if (this.#isEnding || this.#isClosed) {
      const refused = Promise.reject(
        this.signal.aborted
          ? this.signal.reason
          : new DisposedError("scope.scope()", "The scope has ended."),
      );
      // As a handle that was cancelled: nobody has to look at it.
      markHandled(refused);
      return refused;
    }
    const signal = options.signal === undefined
      ? this.signal
      : AbortSignal.any([options.signal, this.signal]);
    const inner = runScope(
      inherit(this.#settings, options.priority),
      body,
      signal,
    );
    this.#scopes.add(inner);
    inner.then(
      () => this.#scopes.delete(inner),
      (error) => {
        this.#scopes.delete(inner);
        // Cancelled by the caller's own signal is no failure of this scope.
        if (!options.signal?.aborted || error !== options.signal.reason) {
          this.fail(error);
        }
      },
    );
    return inner;
  }

  async run<T>(body: (scope: TaskScope) => T | PromiseLike<T>): Promise<T> {
    let result: T | undefined;
    const { core, group } = this.#settings;
    core.scopes.add(this);
    group?.scopes.add(this);
    try {
      result = await body(this);
    } catch (error) {
      this.fail(error);
    }
    await this.#allEnded();
    this.#isEnding = true;
    this.#subscription?.unsubscribe();
    for (
      let cleanup = this.#cleanups.pop();
      cleanup !== undefined;
      cleanup = this.#cleanups.pop()
    ) {
      try {
        await cleanup();
      } catch (error) {
        this.#note(error);
      }
    }
    this.#isClosed = true;
    core.scopeEnded(this);
    group?.scopeEnded(this);
    if (!this.signal.aborted) {
      this.#controller.abort(abortError("The scope has ended"));
    }
    if (this.#errors.length === 1) throw this.#errors[0];
    if (this.#errors.length > 1) {
      throw new AggregateError(
        this.#errors,
        `${this.#errors.length} failures in one scope`,
      );
    }
    if (this.#cancelReason !== undefined) throw this.#cancelReason.reason;
    // The body has ended without an error, so there is a result.
    return result as T;
  }

  /** A task, an inner scope or the body has failed: everything else is cancelled. */
  fail(error: unknown): void {
    this.#note(error);
    this.#end(
      abortError(
        "Another part of the same scope failed, so this was cancelled",
      ),
    );
  }

  /**
   * The function of a task that had been cut off has thrown: the scope's own cancelling and time
   * limits hide no failure. What the task's owner has cancelled is the owner's business.
   */
  failedLate(
    state: TaskState,
    cutOff: { reason: unknown } | undefined,
    error: unknown,
  ): void {
    const reason = cutOff?.reason;
    if (error === reason || isAbortError(error)) return;
    if (
      state === "failed" || (this.#isEnding && reason === this.signal.reason)
    ) {
      this.#note(error);
    }
  }

  /** Keeps an error once, unless it is only the echo of the scope's own cancelling. */
  #note(error: unknown): void {
    if (
      this.signal.aborted &&
      (error === this.signal.reason || isAbortError(error))
    ) return;
    if (!this.#errors.includes(error)) this.#errors.push(error);
  }

  #end(reason: unknown): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    // Inner scopes listen to this signal, so they end before the tasks out here are cancelled.
    this.#controller.abort(reason);
    this.#tasks.cancel(reason);
  }

  /** Tasks may submit further ones while they run, so it is looked at again after each wait. */
  async #allEnded(): Promise<void> {
    while (!this.#tasks.isEmpty || this.#scopes.size > 0) {
      await this.#tasks.whenEmpty();
      await Promise.allSettled(this.#scopes);
      // The reactions above that take a scope out of the set run in this turn.
      await undefined;
    }
  }
}

/** The settings of a scope with a level of its own. */
export function inherit(
  settings: ScopeSettings,
  priority: SubmitOptions["priority"],
): ScopeSettings {
  if (priority === undefined) return settings;
  checkPriority(priority);
  return { ...settings, defaults: { ...settings.defaults, priority } };
}

/** What a task is submitted with: its own options, and defaults for those it leaves out. */
export function withDefaults(
  options: SubmitOptions | undefined,
  defaults: SubmitOptions | undefined,
): SubmitOptions | undefined {
  if (defaults === undefined) return options;
  if (options === undefined) return defaults;
  return {
    ...options,
    priority: options.priority ?? defaults.priority,
    timeout: options.timeout ?? defaults.timeout,
  };
}

/** What a function throws that was stopped by a signal and makes its own error of that. */
function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}
