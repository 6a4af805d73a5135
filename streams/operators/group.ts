/**
 * Operators that put neighbouring elements together: batches by count or bytes, sliding windows.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  duration,
  functionNamed,
  integer,
  takeOptions,
  word,
  wrong,
} from "../../_internal/validate.ts";
import { later } from "../engine/later.ts";
import { ARRAY } from "../engine/types.ts";
import type { Operator, Push, RunAccess, Wait } from "../engine/types.ts";

/** What becomes of a batch that is not full when the stream fails. */
export type PartialBatch = "deliver" | "drop";

/** What becomes of a batch that is not full. */
export interface BatchOptions {
  /** Passes on a batch that is not full when a failure ends the stream, or drops it. @default {"deliver"} */
  onError?: PartialBatch | undefined;
}

/** When a batch leaves. */
export interface TimedBatchOptions extends BatchOptions {
  /** Milliseconds after its first value at which a batch leaves though it is not full. @default {Infinity} */
  timeout?: number | undefined;
}

/** How `batchBytes` measures. */
export interface BatchBytesOptions<T> extends BatchOptions {
  /** The size of a chunk. @default {byteLength, or the UTF-8 length of a string} */
  bytesOf?: ((value: T) => number | PromiseLike<number>) | undefined;
}

/** What `window` does at the end. */
export interface WindowOptions {
  /** Whether the windows at the end that are shorter than `size` are passed on. @default {false} */
  partial?: boolean | undefined;
}

const onError = word("deliver", "drop");
const BATCH_CHECKS: Checks<TimedBatchOptions> = { onError, timeout: duration };
const BATCH_DEFAULTS = { timeout: Infinity, onError: "deliver" } as const;
const BYTES_CHECKS: Checks<BatchBytesOptions<never>> = {
  onError,
  bytesOf: functionNamed,
};
const WINDOW_CHECKS: Checks<WindowOptions> = { partial: boolean };

/** Checks how a batch is made. */
export function takeBatch(
  size: number,
  options: TimedBatchOptions,
): { timeout: number; onError: PartialBatch } {
  integer("size", size, 1);
  return takeOptions("batch()", options, BATCH_CHECKS, BATCH_DEFAULTS);
}

/**
 * Passes batches on, and remembers when the failure came from the far side: to that one nothing
 * can be delivered any more.
 */
function outlet<T>(
  next: Push<T[]>,
  run: RunAccess,
  level: number,
  partial: PartialBatch,
  rest: () => T[],
): (items: T[]) => Wait {
  let hasBroken = false;
  const emit = (items: T[]): Wait => {
    try {
      const wait = next(items);
      if (wait === undefined) return undefined;
      return wait.then(undefined, (error) => {
        hasBroken = true;
        throw error;
      });
    } catch (error) {
      hasBroken = true;
      throw error;
    }
  };
  const flush = (): Wait => {
    const items = rest();
    return items.length > 0 && !hasBroken ? emit(items) : undefined;
  };
  run.onFlush(level, flush);
  if (partial === "deliver") run.onFailure(level, flush);
  return emit;
}

/** Arrays of `size` values; the last one may be shorter. */
export function batch<T>(
  size: number,
  partial: PartialBatch,
): Operator<T, T[]> {
  return (next, run, level) => {
    let items: T[] = [];
    const emit = outlet(next, run, level, partial, () => items);
    return (value) => {
      if (items.push(value) < size) return undefined;
      const full = items;
      items = [];
      return emit(full);
    };
  };
}

/** Arrays of chunks that together have at most `limit` bytes, or of one chunk that has more. */
export function batchBytes<T>(
  limit: number,
  options: BatchBytesOptions<T>,
): Operator<T, T[]> {
  integer("limit", limit, 1);
  checkOptions("batchBytes()", options, BYTES_CHECKS);
  const { bytesOf = sizeOf, onError = "deliver" } = options;
  return (next, run, level) => {
    let items: T[] = [];
    let bytes = 0;
    const emit = outlet(next, run, level, onError, () => items);
    const add = (value: T, size: number): Wait => {
      if (typeof size !== "number" || !(size >= 0)) {
        throw wrong(
          "What bytesOf returns",
          "a non-negative number",
          size,
          typeof size === "number",
        );
      }
      const full = items;
      if (full.length > 0 && bytes + size > limit) {
        // Kept for the next push even if it is full: only one batch may go out at a time.
        items = [value];
        bytes = size;
        return emit(full);
      }
      full.push(value);
      bytes += size;
      if (bytes < limit) return undefined;
      items = [];
      bytes = 0;
      return emit(full);
    };
    return (value) => {
      const size = bytesOf(value);
      return isThenable(size)
        ? later(
          run,
          level,
          size as PromiseLike<number>,
          (size) => add(value, size),
        )
        : add(value, size as number);
    };
  };
}

/** The bytes of a chunk: of a view or buffer, or of a string in UTF-8. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") {
    let bytes = value.length;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      // A surrogate pair is two units and four bytes, so two for each of them.
      if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes += 2;
      else if (unit > 0x7f) bytes += 1;
    }
    return bytes;
  }
  const { byteLength } = (value ?? {}) as { byteLength?: unknown };
  if (typeof byteLength === "number") return byteLength;
  throw new TypeError(
    "batchBytes() needs chunks that are bytes or strings. Say how large others are with the option bytesOf.",
  );
}

/**
 * Arrays of `size` neighbouring values, each beginning `step` values after the one before.
 * `partial`: also those at the end that are shorter.
 */
export function window<T>(
  size: number,
  step: number,
  options: WindowOptions,
): Operator<T, T[]> {
  integer("size", size, 1);
  integer("step", step, 1);
  const { partial } = checkOptions("window()", options, WINDOW_CHECKS);
  return (next, run, level) => {
    let items: T[] = [];
    /** How many values to skip: the gap between two windows when step > size. */
    let gap = 0;
    if (partial) {
      run.onFlush(level, () => {
        const windows: T[][] = [];
        for (; items.length > 0; items = items.slice(step)) windows.push(items);
        if (windows.length > 0) run.enter(ARRAY, level + 1, next, windows);
        return undefined;
      });
    }
    return (value) => {
      if (gap > 0) {
        gap--;
        return undefined;
      }
      if (items.push(value) < size) return undefined;
      const full = items;
      items = step < size ? full.slice(step) : [];
      gap = Math.max(step - size, 0);
      return next(full);
    };
  };
}
