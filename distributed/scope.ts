/**
 * Structured concurrency over a cluster: no task outlives its scope, on whatever machine it runs.
 * The same rules as the local runner's scope.
 *
 * @module
 */
import {
  DisposedError,
  type ScopeOptions,
  type Task,
  type TaskScope,
} from "@specify/async-core/runner";
import type { AcceptedWork } from "./admission.ts";
import { aborted, allEnded, type BatchRunner } from "./batch.ts";
import * as check from "./check.ts";
import { type ClusterHandle, markHandled } from "./cluster_handle.ts";
import type { ClusterSubmitOptions } from "./submit/submit_options.ts";

/** Runs `body` in a new scope; settles when everything that belongs to it has ended. */
export async function runScope<T>(
  runner: BatchRunner,
  body: (scope: TaskScope) => T | PromiseLike<T>,
  options: ScopeOptions,
): Promise<T> {
  check.functionNamed("body", body);
  check.object("options", options);
  const { signal, priority } = options;
  if (priority !== undefined) check.priority(priority);
  if (signal !== undefined) check.signal("signal", signal);
  signal?.throwIfAborted();
  return await new Scope(runner, options).run(body);
}

class Scope implements TaskScope, AcceptedWork {
  // Invariant: #tasks holds every handle whose task has not ended, #scopes every inner scope; once
  // #isEnding, both only shrink. #errors holds each failure once, in the order of arrival.
  readonly #runner: BatchRunner;
  readonly #options: ScopeOptions;
  readonly #controller = new AbortController();
  readonly #tasks = new Set<ClusterHandle<unknown>>();
  readonly #scopes = new Set<Promise<unknown>>();
  readonly #cleanups: (() => unknown)[] = [];
  readonly #errors: unknown[] = [];
  #isEnding = false;
  #isClosed = false;
  #cancelReason: { reason: unknown } | undefined;

  constructor(runner: BatchRunner, options: ScopeOptions) {
    this.#runner = runner;
    this.#options = options;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isFull(): boolean {
    return this.#runner.isFull;
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#runner.ready(
      // Nobody waits for room in a scope that is over.
      signal === undefined
        ? this.signal
        : AbortSignal.any([signal, this.signal]),
    );
  }

  submit<T>(task: Task<T>, options?: ClusterSubmitOptions): ClusterHandle<T> {
    const { priority } = this.#options;
    const handle = this.#runner.submit<T>(
      task,
      this.#isEnding || this.#isClosed
        ? { ...options, signal: this.#endedSignal() }
        : { ...options, priority: options?.priority ?? priority },
      // Part of what was accepted when the scope was opened.
      true,
    );
    this.#tasks.add(handle);
    handle.whenEnded().then(() => this.#tasks.delete(handle));
    handle.then(undefined, (error) => {
      if (handle.state === "failed") this.fail(error);
    });
    return handle;
  }

  defer(cleanup: () => unknown): void {
    check.functionNamed("cleanup", cleanup);
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
      const refused = Promise.reject(this.#endedSignal("scope.scope()").reason);
      // As a handle that was cancelled: nobody has to look at it.
      markHandled(refused);
      return refused;
    }
    const signal = options.signal === undefined
      ? this.signal
      : AbortSignal.any([options.signal, this.signal]);
    const { priority } = this.#options;
    const inner = runScope(this.#runner, body, {
      ...options,
      priority: options.priority ?? priority,
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

  /** Ends the scope from outside. */
  cancel(reason: unknown): void {
    if (this.#isEnding) return;
    this.#cancelReason = { reason };
    this.#end(reason);
  }

  async run<T>(body: (scope: TaskScope) => T | PromiseLike<T>): Promise<T> {
    const { signal } = this.#options;
    const abort = () => this.cancel(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#runner.begin(this);
    let result: T | undefined;
    try {
      result = await body(this);
    } catch (error) {
      this.fail(error);
    }
    await this.#allEnded();
    this.#isEnding = true;
    signal?.removeEventListener("abort", abort);
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
    this.#runner.end(this);
    if (!this.signal.aborted) {
      this.#controller.abort(aborted("The scope has ended"));
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
      aborted("Another part of the same scope failed, so this was cancelled"),
    );
  }

  /** Keeps an error once, unless it is only the echo of the scope's own cancelling. */
  #note(error: unknown): void {
    if (
      this.signal.aborted &&
      (error === this.signal.reason ||
        (error instanceof Error && error.name === "AbortError"))
    ) return;
    if (!this.#errors.includes(error)) this.#errors.push(error);
  }

  #end(reason: unknown): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#controller.abort(reason);
    for (const handle of this.#tasks) {
      markHandled(handle);
      handle.cancel(reason);
    }
  }

  #endedSignal(what = "scope.submit()"): AbortSignal {
    return this.signal.aborted
      ? this.signal
      : AbortSignal.abort(new DisposedError(what, "The scope has ended."));
  }

  /** Tasks may submit further ones while they run, so it is looked at again after each wait. */
  async #allEnded(): Promise<void> {
    while (this.#tasks.size > 0 || this.#scopes.size > 0) {
      await allEnded(this.#tasks);
      await Promise.allSettled(this.#scopes);
      // The reactions that take them out of the sets run in this turn.
      await undefined;
    }
    // A task may end and its failure be told one turn later.
    await undefined;
  }
}
