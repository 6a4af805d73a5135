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
  isAbortError,
  type LateFailure,
} from "../../_internal/late_failure.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  functionNamed,
  priorityOption,
} from "../../_internal/validate.ts";
import { spanUntil } from "../../telemetry/span.ts";
import type { AcceptedWork } from "../scheduler/admission.ts";
import { markHandled } from "../scheduler/handle.ts";
import { isOpen } from "../scheduler/job.ts";
import { checkOpen, withDefaults } from "./batch.ts";
import type { BatchHost, JobOwner } from "./host.ts";
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

const CHECKS: Checks<ScopeOptions> = {
  signal: checkSignal,
  priority: priorityOption,
};

/** Runs `body` in a new scope; settles when everything that belongs to it has ended. */
export async function scope<T>(
  host: BatchHost,
  body: (scope: TaskScope) => T | PromiseLike<T>,
  options: ScopeOptions,
): Promise<T> {
  checkOptions("scope()", options, CHECKS);
  checkOpen(host);
  return await spanUntil(
    options.signal,
    "scope",
    {},
    () => runScope(host, host.defaults, body, options),
  );
}

/** `options` are checked. `defaults`: what a task that says nothing else is submitted with. */
async function runScope<T>(
  host: BatchHost,
  defaults: SubmitOptions | undefined,
  body: (scope: TaskScope) => T | PromiseLike<T>,
  { signal, priority }: ScopeOptions,
): Promise<T> {
  functionNamed("body", body);
  if (priority !== undefined) defaults = { ...defaults, priority };
  signal?.throwIfAborted();
  return await new Scope(host, defaults, signal).run(body);
}

class Scope implements TaskScope, AcceptedWork, JobOwner<TaskHandle<unknown>> {
  // Invariant: #tasks holds every task that has not really ended, #scopes every inner scope;
  // once #isEnding, both only shrink. #errors holds each failure once, in the order of arrival.
  readonly #host: BatchHost;
  readonly #defaults: SubmitOptions | undefined;
  readonly #controller = new AbortController();
  readonly #tasks = new Set<TaskHandle<unknown>>();
  readonly #scopes = new Set<Promise<unknown>>();
  readonly #cleanups: (() => unknown)[] = [];
  readonly #errors: unknown[] = [];
  readonly #subscription: AbortSubscription | undefined;
  /** Told when the last task has ended, while that is waited for. */
  #tellTasksEnded: (() => void) | undefined;
  #isEnding = false;
  #isClosed = false;
  #cancelReason: { reason: unknown } | undefined;

  constructor(
    host: BatchHost,
    defaults: SubmitOptions | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#host = host;
    this.#defaults = defaults;
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
    return this.#host.isFull;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#host.ready(
      // Nobody waits for room in a scope that is over.
      signal === undefined
        ? this.signal
        : AbortSignal.any([signal, this.signal]),
    );
  }

  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    const isOver = this.#isEnding || this.#isClosed;
    const handle = this.#host.submit(
      task,
      isOver
        ? { ...options, signal: AbortSignal.abort(this.#refusal("submit")) }
        : withDefaults(options, this.#defaults),
      this,
    );
    if (isOpen(handle)) {
      this.#tasks.add(handle);
      // Whoever was told of the submit may have ended the scope.
      if (this.#isEnding) handle.cancel(this.signal.reason);
    }
    return handle;
  }

  settled(
    handle: TaskHandle<unknown>,
    state: TaskState,
    value: unknown,
    hasEnded: boolean,
  ): void {
    if (hasEnded) this.#taskEnded(handle);
    // It may have been cut off within its submit.
    else this.#tasks.add(handle);
    if (state === "failed") this.fail(value);
  }

  /**
   * The scope's own cancelling and time limits hide no failure. What the task's owner has cancelled
   * is the owner's business.
   */
  ended(handle: TaskHandle<unknown>, late: LateFailure | undefined): boolean {
    if (
      late !== undefined &&
      (handle.state === "failed" ||
        (this.#isEnding && late.reason === this.signal.reason))
    ) this.#note(late.error);
    this.#taskEnded(handle);
    return true;
  }

  #taskEnded(handle: TaskHandle<unknown>): void {
    this.#tasks.delete(handle);
    if (this.#tasks.size === 0) this.#tellTasksEnded?.();
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
    const { signal: own, priority } = checkOptions("scope()", options, CHECKS);
    if (this.#isEnding || this.#isClosed) {
      const refused = Promise.reject(this.#refusal("scope"));
      // As a handle that was cancelled: nobody has to look at it.
      markHandled(refused);
      return refused;
    }
    const signal = own === undefined
      ? this.signal
      : AbortSignal.any([own, this.signal]);
    const inner = runScope(this.#host, this.#defaults, body, {
      signal,
      priority,
    });
    this.#scopes.add(inner);
    inner.then(
      () => this.#scopes.delete(inner),
      (error) => {
        this.#scopes.delete(inner);
        // Cancelled by the caller's own signal is no failure of this scope.
        if (!own?.aborted || error !== own.reason) {
          this.fail(error);
        }
      },
    );
    return inner;
  }

  /** What `submit` or `scope` is refused with when the scope is over. */
  #refusal(method: string): unknown {
    return this.signal.aborted
      ? this.signal.reason
      : new DisposedError(`scope.${method}()`, "The scope has ended.");
  }

  async run<T>(body: (scope: TaskScope) => T | PromiseLike<T>): Promise<T> {
    let result: T | undefined;
    this.#host.begin(this);
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
    this.#host.end(this);
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
    for (const handle of this.#tasks) handle.cancel(reason);
  }

  /** Tasks may submit further ones while they run, so it is looked at again after each wait. */
  async #allEnded(): Promise<void> {
    while (this.#tasks.size > 0 || this.#scopes.size > 0) {
      if (this.#tasks.size > 0) {
        await new Promise<void>((resolve) => this.#tellTasksEnded = resolve);
      }
      await Promise.allSettled(this.#scopes);
      // The reactions above that take a scope out of the set run in this turn.
      await undefined;
    }
  }
}
