/**
 * Work that nobody waits for, without the danger: its failure is reported, once, and never ends
 * the process.
 *
 * @module
 */
import { report } from "../../_internal/errors.ts";
import {
  type Checks,
  functionNamed,
  runnerOption,
  takeOptions,
} from "../../_internal/validate.ts";
import { defaultRunner } from "../default_runner.ts";
import { SUBMIT_CHECKS } from "../scheduler/options.ts";
import type { SubmitOptions, Task, TaskHandle, TaskRunner } from "../types.ts";

/** How a background task is run: the options of a submit, and these. */
export interface BackgroundOptions extends SubmitOptions {
  /**
   * Where it runs. The default is one runner for the whole process, with the defaults of
   * AsyncRunner; `asyncRun` ends it. Work that never ends holds one of its slots: give such
   * work a runner of its own.
   */
  runner?: TaskRunner | undefined;
  /**
   * Gets the error of a task whose handle nobody awaits, once. The default prints it with
   * `console.error`.
   */
  onError?: ((error: unknown, handle: TaskHandle<unknown>) => void) | undefined;
}

const CHECKS: Checks<BackgroundOptions> = {
  ...SUBMIT_CHECKS,
  runner: runnerOption,
  onError: functionNamed,
};

/** The handles that are watched, and who is told. */
const watched = new WeakMap<Promise<unknown>, (error: unknown) => void>();
let isListening = false;

/**
 * Runs a task in the background. The handle can be awaited or cancelled like any other; when the
 * task fails and nobody awaits the handle, `onError` is told, instead of the unhandled rejection
 * that would end the process. A cancelled task is not reported.
 *
 * Under Node and Bun, where one cannot tell whether a promise is awaited without changing how
 * the process treats other unhandled rejections, `onError` is told of every failure.
 *
 * @throws {RangeError | TypeError} When the task or an option is wrong.
 *
 * @example
 * ```ts
 * import { AsyncRunner, asyncBackground } from "@specify/async-core";
 *
 * await using runner = new AsyncRunner();
 * asyncBackground(() => console.log("warming the cache"), { runner });
 * asyncBackground(() => Promise.reject(new Error("no cache")), {
 *   runner,
 *   onError: (error, { name }) => console.log(name, String(error)),
 *   name: "warm-up",
 * });
 * ```
 */
export function asyncBackground<T>(
  task: Task<T>,
  options: BackgroundOptions = {},
): TaskHandle<T> {
  const { runner = defaultRunner(), onError, ...submitOptions } = takeOptions(
    "asyncBackground()",
    options,
    CHECKS,
  );
  const handle = runner.submit(task, submitOptions);
  watch(handle, onError);
  return handle;
}

function watch<T>(
  handle: TaskHandle<T>,
  onError: BackgroundOptions["onError"],
): void {
  const tell = (error: unknown) => {
    const failed = `Background task ${JSON.stringify(handle.name)} failed`;
    if (onError === undefined) {
      report(failed, error);
      return;
    }
    try {
      onError(error, handle);
    } catch (second) {
      report(failed, error);
      report("asyncBackground: onError failed", second);
    }
  };
  if (!canSeeUnhandled()) {
    handle.then(undefined, (error) => {
      if (handle.state !== "cancelled") tell(error);
    });
    return;
  }
  if (!isListening) {
    // Stays: whether a handle is still watched cannot be known without holding it. It costs
    // nothing but at unhandled rejections, and leaves those of others alone.
    globalThis.addEventListener("unhandledrejection", onUnhandled);
    isListening = true;
  }
  watched.set(handle, tell);
}

/** Where the runtime's own notion of "nobody awaits it" can be used without side effects. */
function canSeeUnhandled(): boolean {
  return typeof globalThis.addEventListener === "function" &&
    (typeof Deno !== "undefined" || !("process" in globalThis));
}

function onUnhandled(event: PromiseRejectionEvent): void {
  const tell = watched.get(event.promise);
  if (tell === undefined) return;
  event.preventDefault();
  watched.delete(event.promise);
  tell(event.reason);
}
