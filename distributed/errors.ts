/**
 * Errors of the cluster.
 *
 * @module
 */

/**
 * Redis could not be reached within `sendTimeout`, so the task was not submitted. Should the
 * command get through later all the same, the task is taken back at once.
 *
 * @example
 * ```ts
 * import { ClusterUnreachableError } from "@specify/async-distributed";
 *
 * const error = new ClusterUnreachableError("127.0.0.1:6379", "submit of hash", undefined);
 * console.log(error.name); // "ClusterUnreachableError"
 * ```
 */
export class ClusterUnreachableError extends Error {
  /** Always `"ClusterUnreachableError"`. */
  override readonly name = "ClusterUnreachableError";

  /** `address` is that of Redis, `what` the thing that could not be done. */
  constructor(address: string, what: string, cause: unknown) {
    super(
      `${what} failed: Redis at ${address} cannot be reached${
        cause instanceof Error && cause.message !== ""
          ? ` (${cause.message})`
          : ""
      }. ${HOW_TO_GET_REDIS}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/** The one line that says what to install and how to start it. */
export const HOW_TO_GET_REDIS =
  "Install it (Debian: apt-get install redis-server), start it (redis-server --appendonly yes " +
  "--maxmemory-policy noeviction), or name another one in `connection`.";

/**
 * The workers that ran a task died, hung or lost their connection `maxLost` times, so it is not
 * given to another one: it may be what kills them.
 *
 * @example
 * ```ts
 * import { TaskLostError } from "@specify/async-distributed";
 *
 * console.log(new TaskLostError("thumbnail", "a7").taskId); // "a7"
 * ```
 */
export class TaskLostError extends Error {
  /** Always `"TaskLostError"`. */
  override readonly name = "TaskLostError";
  /** The id of the task. */
  readonly taskId: string;

  /** `task` is the name of the task. */
  constructor(task: string, taskId: string) {
    super(
      `Task ${task} (${taskId}) was lost with its worker as often as maxLost allows. It may be ` +
        `what ends them (process exit, memory, an event loop blocked for longer than lostAfter): ` +
        `look at the workers' logs, or raise maxLost.`,
    );
    this.taskId = taskId;
  }
}

/**
 * No worker knew the name of a task for `unknownAfter`: none of them was given its definition.
 *
 * @example
 * ```ts
 * import { UnknownTaskError } from "@specify/async-distributed";
 *
 * console.log(new UnknownTaskError("resize", 30_000).task); // "resize"
 * ```
 */
export class UnknownTaskError extends Error {
  /** Always `"UnknownTaskError"`. */
  override readonly name = "UnknownTaskError";
  /** The name that nobody knows. */
  readonly task: string;

  /** `unknownAfter` in milliseconds. */
  constructor(task: string, unknownAfter: number) {
    super(
      `No worker knew the task ${
        JSON.stringify(task)
      } for ${unknownAfter} ms. Pass its definition to ` +
        `cluster.work([…]) of a worker that serves this queue, or check the name.`,
    );
    this.task = task;
  }
}

/**
 * There is no task of this id in the queue: it never was, or it has ended and its record was
 * removed by the `keep` policy.
 *
 * @example
 * ```ts
 * import { TaskNotFoundError } from "@specify/async-distributed";
 *
 * console.log(new TaskNotFoundError("invoice-7").taskId); // "invoice-7"
 * ```
 */
export class TaskNotFoundError extends Error {
  /** Always `"TaskNotFoundError"`. */
  override readonly name = "TaskNotFoundError";
  /** The id that was looked for. */
  readonly taskId: string;

  /** `taskId` was looked for. */
  constructor(taskId: string) {
    super(
      `There is no task ${
        JSON.stringify(taskId)
      } in the queue: it never was, or it has ended and its record was removed. Submit it with ` +
        `an id of your own, or with keep, to find it after its end.`,
    );
    this.taskId = taskId;
  }
}

/**
 * A value cannot travel to another process; `path` says which part of it.
 *
 * @example
 * ```ts
 * import { NotSerializableError } from "@specify/async-distributed";
 *
 * const error = new NotSerializableError("The input of hash", "$.files[3]", "a function");
 * console.log(error.path); // "$.files[3]"
 * ```
 */
export class NotSerializableError extends TypeError {
  /** Always `"NotSerializableError"`. */
  override readonly name = "NotSerializableError";
  /** Where in the value, `$` being the value itself. */
  readonly path: string;

  /** `what` holds `kind` at `path`. */
  constructor(what: string, path: string, kind: string) {
    super(
      `${what} cannot be sent to another process: ${path} is ${kind}. Send plain data (objects, ` +
        `arrays, primitives, bigint, Date, Map, Set, URL, RegExp, Error, ArrayBuffer, typed ` +
        `arrays).`,
    );
    this.path = path;
  }
}

/**
 * A value is larger than `maxInputBytes`, or its largest part alone is; `path` leads to it.
 *
 * @example
 * ```ts
 * import { InputTooLargeError } from "@specify/async-distributed";
 *
 * const error = new InputTooLargeError("The input of hash", 2_000_000, 1_048_576, "$.body");
 * console.log(error.bytes, error.path); // 2000000 "$.body"
 * ```
 */
export class InputTooLargeError extends RangeError {
  /** Always `"InputTooLargeError"`. */
  override readonly name = "InputTooLargeError";
  /** How large it is as JSON, in bytes. */
  readonly bytes: number;
  /** Where the weight lies, `$` being the value itself. */
  readonly path: string;

  /** `what` takes `bytes` where `limit` is allowed, most of it at `path`. */
  constructor(what: string, bytes: number, limit: number, path: string) {
    super(
      `${what} takes ${bytes} bytes, more than maxInputBytes (${limit}) allows; most of it is at ` +
        `${path}. Put large data where every worker can read it, and send its address.`,
    );
    this.bytes = bytes;
    this.path = path;
  }
}

/**
 * Redis refused a task: it is out of memory, or its access control lists forbid it, or `cause`
 * says what else. The task was not submitted.
 *
 * @example
 * ```ts
 * import { SubmitRefusedError } from "@specify/async-distributed";
 *
 * const cause = new Error("OOM command not allowed when used memory > 'maxmemory'.");
 * const error = new SubmitRefusedError("hash", "127.0.0.1:6379", cause);
 * console.log(error.cause === cause); // true
 * ```
 */
export class SubmitRefusedError extends Error {
  /** Always `"SubmitRefusedError"`. */
  override readonly name = "SubmitRefusedError";

  /** `task` is the name of the task, `address` that of Redis. */
  constructor(task: string, address: string, cause: unknown) {
    super(
      `Task ${task} could not be submitted to Redis at ${address}: ${
        cause instanceof Error ? cause.message : String(cause)
      }`,
      { cause },
    );
  }
}
