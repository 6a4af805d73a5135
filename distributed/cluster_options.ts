/**
 * The options of a ClusterRunner, and what follows from them.
 *
 * @module
 */
import {
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  integerFrom,
  limitFrom,
  priorityOption,
  SCHEDULER_CHECKS,
  show,
  text,
  word,
} from "@specify/async-core/host";
import type { TaskObserver, TaskPriority } from "@specify/async-core/runner";
import { checkConnection, type RedisConnectionOptions } from "./address.ts";
import type { KeepPolicy } from "./engine.ts";
import { HOW_TO_GET_REDIS } from "./errors.ts";
import { checkKeep } from "./submit/submit_options.ts";

/** Where the cluster's queue is, and defaults for its tasks. */
export interface ClusterRunnerOptions {
  /**
   * Where Redis is: a URL (`redis://user:password@host:6379/0`, `rediss://…` for TLS), or its
   * parts. @default {"redis://127.0.0.1:6379"}
   */
  connection?: string | RedisConnectionOptions | undefined;
  /** Name of the BullMQ queue. @default {"async-distributed"} */
  queue?: string | undefined;
  /** Prefix of all keys in Redis. @default {"bull"} */
  prefix?: string | undefined;
  /** Longest running time of a task that names none, in milliseconds. @default {Infinity} */
  timeout?: number | undefined;
  /** Level of a task that names none. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Ends the runner's tasks when it aborts, with its reason, and refuses further ones. */
  signal?: AbortSignal | undefined;
  /**
   * How many tasks of this runner may be submitted and not ended before `isFull` is true.
   * @default {Infinity}
   */
  maxQueue?: number | undefined;
  /** Largest input, as JSON, in bytes. @default {1_048_576} */
  maxInputBytes?: number | undefined;
  /**
   * How long a submit waits for Redis, in milliseconds, before its handle rejects with
   * ClusterUnreachableError. With Infinity it waits until Redis is there. @default {Infinity}
   */
  sendTimeout?: number | undefined;
  /**
   * How long records of ended tasks stay in Redis. Left out, the record of a task goes as soon as
   * its submitter has read the outcome, those of tasks with an `id` of their own after a day.
   */
  keep?: KeepPolicy | undefined;
  /**
   * What happens to tasks whose submitter has died: they `"run"` on, or `"cancel"` when it was
   * silent for half a minute. @default {"run"}
   */
  orphans?: "run" | "cancel" | undefined;
  /**
   * Sees every change of this runner's tasks: `started` when a worker somewhere has taken one,
   * `ended` when it has ended there. What it throws is reported and changes nothing.
   */
  observer?: TaskObserver | undefined;
  /**
   * Told of trouble that belongs to no task: a lost connection (once for each time), a failed
   * clean-up. The default prints it with `console.error`.
   */
  onError?: ((error: Error) => void) | undefined;
}

/** The checks of a ClusterRunner's options. */
export const CLUSTER_CHECKS: Checks<ClusterRunnerOptions> = {
  connection: checkConnection,
  queue: checkQueue,
  prefix: text,
  timeout: duration,
  priority: priorityOption,
  signal: checkSignal,
  // Tasks that run count too, so that with 0 nothing could ever be submitted.
  maxQueue: limitFrom(1),
  maxInputBytes: integerFrom(1),
  sendTimeout: duration,
  keep: checkKeep,
  orphans: word("run", "cancel"),
  observer: SCHEDULER_CHECKS.observer,
  onError: functionNamed,
};

function checkQueue(name: string, value: unknown): void {
  if (text(name, value).includes(":")) {
    throw new TypeError(`${name} must hold no colon, got ${show(value)}`);
  }
}

/** Who is told of trouble that belongs to no task. */
export function reporter(
  onError: ((error: Error) => void) | undefined,
): (error: Error) => void {
  if (onError === undefined) return printError;
  return (error) => {
    try {
      onError(error);
    } catch (thrown) {
      // It is called from where nobody could catch it.
      console.error("ClusterRunner: onError threw:", thrown);
    }
  };
}

function printError(error: Error): void {
  const isConnection = /ECONN|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT/.test(
    error.message,
  );
  console.error(
    `ClusterRunner: ${error.message}${
      isConnection
        ? `. It tries again until Redis is there. ${HOW_TO_GET_REDIS}`
        : ""
    }`,
  );
}
