/**
 * How a worker serves the queue.
 *
 * @module
 */
import {
  boolean,
  type Checks,
  checkSignal,
  duration,
  finiteDuration,
  integerFrom,
  limitFrom,
  positiveDuration,
  show,
} from "@specify/async-core/host";
import { AsyncRunner } from "@specify/async-core/runner";
import { type Definition, definitionOf } from "../define_task.ts";

/** How a worker serves the queue. */
export interface WorkOptions {
  /**
   * The local runner that runs the tasks: its limit, slots and signals. Not shut down with the
   * worker. @default {a new AsyncRunner, ended with the worker}
   */
  runner?: AsyncRunner | undefined;
  /** How many tasks to hold at once. @default {the `maxWorkers` of the runner} */
  concurrency?: number | undefined;
  /**
   * A worker that was not heard of for so many milliseconds is lost, and its tasks are given to
   * others: longer than any task blocks the event loop. The same for all workers of a queue.
   * @default {30_000}
   */
  lostAfter?: number | undefined;
  /**
   * How often a task may be lost with its worker; then it fails with TaskLostError. The same for
   * all workers of a queue. @default {3}
   */
  maxLost?: number | undefined;
  /**
   * A task whose name no worker knows is left for so many milliseconds, then it fails with
   * UnknownTaskError. @default {30_000}
   */
  unknownAfter?: number | undefined;
  /**
   * Raises waiting tasks one level for each so many milliseconds that they have waited.
   * @default {no aging}
   */
  aging?: number | undefined;
  /**
   * How long running tasks may take to finish when the worker stops, in milliseconds, before they
   * are handed back. @default {10_000}
   */
  grace?: number | undefined;
  /** Stops the worker when it aborts. */
  signal?: AbortSignal | undefined;
  /** Stops the worker at SIGTERM; a second one ends the process as usual. @default {true} */
  handleSignals?: boolean | undefined;
}

/** The checks of how a worker serves. */
export const WORK_CHECKS: Checks<WorkOptions> = {
  runner: (name, value) => {
    if (value instanceof AsyncRunner) return;
    throw new TypeError(`${name} must be an AsyncRunner, got ${show(value)}`);
  },
  concurrency: limitFrom(1),
  lostAfter: finiteDuration,
  maxLost: integerFrom(1),
  unknownAfter: finiteDuration,
  aging: positiveDuration,
  grace: duration,
  signal: checkSignal,
  handleSignals: boolean,
};

/** The definitions of defined tasks, by name. */
export function definitionsOf(
  tasks: Iterable<unknown>,
): Map<string, Definition> {
  if (typeof tasks?.[Symbol.iterator] !== "function") {
    throw new TypeError(
      `tasks must be an iterable of defined tasks, got ${show(tasks)}`,
    );
  }
  const definitions = new Map<string, Definition>();
  for (const task of tasks) {
    const definition = definitionOf(task);
    if (definition === undefined) {
      throw new TypeError(
        `tasks must hold defined tasks (what defineTask returns), got ${
          show(task)
        }`,
      );
    }
    const known = definitions.get(definition.name);
    if (known !== undefined && known !== definition) {
      throw new TypeError(
        `tasks must not hold two of one name, got ${
          show(definition.name)
        } twice`,
      );
    }
    definitions.set(definition.name, definition);
  }
  return definitions;
}
