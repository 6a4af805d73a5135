/**
 * Structured concurrency: no task outlives its scope.
 *
 *     open ──body and tasks have ended──▶ closing ──clean-ups have run──▶ closed
 *       │                                    ▲
 *       └──failure or abort──▶ ending ───────┘   (everything is cancelled and awaited)
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../_internal/abort.ts";
import { abortError, DisposedError } from "../_internal/errors.ts";
import { functionNamed } from "../_internal/validate.ts";
import { JobHandle, markHandled } from "./handle.ts";
import { settle } from "./job.ts";
import { JobGroup } from "./job_group.ts";
import type { SchedulerCore } from "./scheduler_core.ts";
import type {
  SubmitOptions,
  Task,
  TaskHandle,
  TaskRunner,
  TaskState,
} from "./types.ts";

/**
 * What the body of a scope is given. It is a runner itself, so it can be passed on as the
 * `runner` of a stream, a walk or a download, which then end with the scope.
 */
export interface TaskScope extends TaskRunner {
  /** Aborts when the scope fails, is cancelled from outside, or has ended. */
  readonly signal: AbortSignal;
  /** Registers a clean-up; they run last in, first out, when all tasks of the scope have ended. */
  defer(cleanup: () => unknown): void;
  /** Opens a scope within this one: it ends first, and its failure is this one's. */
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
  core: SchedulerCore,
  body: (scope: TaskScope) => T | PromiseLike<T>,
  options: ScopeOptions,
): Promise<T> {
  functionNamed("body", body);
  if (options.signal?.aborted) throw options.signal.reason;
  return await new Scope(core, options).run(body);
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
}

// As for its superclass: a subclass has a `constructor` of its own, and `then` would call it.
Object.defineProperty(ScopeHandle.prototype, "constructor", { value: Promise });

class Scope implements TaskScope {
  // Invariant: #tasks holds every task that has not really ended, #scopes every inner scope;
  // once #isEnding, both only shrink. #errors holds each failure once, in the order of arrival.
  readonly #core: SchedulerCore;
  readonly #priority: SubmitOptions["priority"];
  readonly #controller = new AbortController();
  readonly #tasks = new JobGroup();
  readonly #scopes = new Set<Promise<unknown>>();
  readonly #cleanups: (() => unknown)[] = [];
  readonly #errors: unknown[] = [];
  readonly #subscription: AbortSubscription | undefined;
  #isEnding = false;
  #isClosed = false;
  #cancelReason: { reason: unknown } | undefined;

  constructor(core: SchedulerCore, { signal, priority }: ScopeOptions) {
    this.#core = core;
    this.#priority = priority;
    this.#subscription = signal &&
      onAbort(signal, (reason) => {
        this.#cancelReason = { reason };
        this.#end(reason);
      });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isFull(): boolean {
    return this.#core.isFull;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#core.conditions.wait(() => !this.#core.isFull, signal);
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
    this.#core.submit(
      handle,
      this.#priority === undefined
        ? options
        : { priority: this.#priority, ...options },
      this.#tasks,
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
      return Promise.reject(
        this.signal.aborted
          ? this.signal.reason
          : new DisposedError("scope.scope()", "The scope has ended."),
      );
    }
    const signal = options.signal === undefined
      ? this.signal
      : AbortSignal.any([options.signal, this.signal]);
    const inner = runScope(this.#core, body, {
      priority: this.#priority,
      ...options,
      signal,
    });
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

  /** Keeps an error once, unless it is only the echo of the scope's own cancelling. */
  #note(error: unknown): void {
    if (this.signal.aborted && error === this.signal.reason) return;
    if (!this.#errors.includes(error)) this.#errors.push(error);
  }

  #end(reason: unknown): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    // Inner scopes listen to this signal, so they end before the tasks out here are cancelled.
    this.#controller.abort(reason);
    this.#tasks.cancel(this.#core, reason);
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
