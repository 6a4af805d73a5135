/**
 * A task on its way to the store: everything that is sent with it, made at the submit, so that
 * what is wrong with one of them is told to its submitter and to nobody else.
 *
 * @module
 */
import type { TaskPriority } from "@specify/async-core/runner";
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Call } from "../define_task.ts";
import type { Envelope, KeepPolicy, NewJob } from "../engine.ts";
import { encodeWithin } from "../serialize/limit.ts";
import type { CheckedSubmit, ClusterSubmitOptions } from "./submit_options.ts";

let counter = 0;
let prefixOfIds: string | undefined;

/** An id that no other process makes, and short. */
export function newId(): string {
  prefixOfIds ??= crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  return `${prefixOfIds}-${++counter}`;
}

/** A task that waits to be sent. */
export interface Parcel {
  readonly handle: ClusterHandle<unknown>;
  /** On the `performance.now()` line. */
  readonly deadline: number;
  /** On the `performance.now()` line. */
  readonly submittedAt: number;
  /** The part that does not change until it is sent. */
  readonly content: Content;
  /** The W3C traceparent of the submit. */
  trace: string | undefined;
  /** The level that it was sent with. */
  sentPriority: TaskPriority;
}

interface Content {
  readonly name: string;
  readonly attempts: number;
  readonly keep: KeepPolicy | undefined;
  /** What is known of it at the submit. */
  readonly envelope: Envelope;
}

/**
 * Takes the input and the options apart.
 *
 * @throws {NotSerializableError | InputTooLargeError} When the input cannot be sent.
 */
export function contentOf(
  { definition, input }: Call,
  options: ClusterSubmitOptions,
  { timeout }: CheckedSubmit,
  maxInputBytes: number,
): Content {
  const key = options.key ?? definition.key?.(input as never);
  return {
    name: definition.name,
    attempts: (definition.retry?.maxRetries ?? 0) + 1,
    keep: options.keep,
    envelope: {
      input: encodeWithin(
        input,
        `The input of task ${definition.name}`,
        maxInputBytes,
      ),
      timeout: timeout === Infinity ? undefined : timeout,
      key: key === undefined ? undefined : String(key),
      weight: options.weight,
    },
  };
}

/** How it is written into the store: `toStoreTime` is the store's clock minus `performance.now()`. */
export function jobOf(
  { handle, deadline, submittedAt, content, trace }: Parcel,
  toStoreTime: number,
  owner: string | undefined,
  keep: KeepPolicy | undefined,
): NewJob {
  const { name, attempts, envelope } = content;
  return {
    id: handle.id,
    name,
    priority: handle.priority,
    submittedAt: Math.round(submittedAt + toStoreTime),
    attempts,
    keep: content.keep ?? keep ?? {},
    envelope: {
      ...envelope,
      deadline: deadline === Infinity ? undefined : deadline + toStoreTime,
      trace,
      owner,
      level: handle.priority,
    },
  };
}
