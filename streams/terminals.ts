/**
 * What runs a stream to its end and gives one result. Each closes the source before it settles,
 * whether the stream ended, failed, was aborted or had told enough.
 *
 * @module
 */
import { isThenable } from "../_internal/thenable.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  functionNamed,
  string,
} from "../_internal/validate.ts";
import type { Run } from "./engine/engine.ts";
import { later } from "./engine/later.ts";
import type { Plan } from "./engine/plan.ts";
import type { Mapper, Predicate, Push, Wait } from "./engine/types.ts";

/** What every terminal takes. */
export interface TerminalOptions {
  /** Stops the reading: the result rejects with `signal.reason`, the source is closed. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<TerminalOptions> = { signal: checkSignal };

/** Runs `plan` into `sink`. */
export async function consume<T>(
  plan: Plan<T>,
  sink: (run: Run, level: number) => Push<T>,
  options: TerminalOptions | undefined,
): Promise<void> {
  if (options !== undefined) {
    checkOptions("A terminal operation", options, CHECKS);
  }
  const run = plan.run(sink);
  if (options?.signal !== undefined) run.abortOn(options.signal);
  await run.complete();
}

/** All elements. */
export async function collect<T>(
  plan: Plan<T>,
  options?: TerminalOptions,
): Promise<T[]> {
  const values: T[] = [];
  await consume(plan, () => (value) => void values.push(value), options);
  return values;
}

/** Calls fn with each element and waits for it. */
export async function forEach<T>(
  plan: Plan<T>,
  fn: Mapper<T, unknown>,
  options?: TerminalOptions,
): Promise<void> {
  functionNamed("fn", fn);
  await consume(plan, () => {
    let index = 0;
    return (value) => {
      const result = fn(value, index++);
      return isThenable(result) ? result : undefined;
    };
  }, options);
}

/** The last accumulator. Without an initial value the first element is the first one. */
export async function reduce<T, U>(
  plan: Plan<T>,
  fn: (accumulator: U, value: T, index: number) => U | PromiseLike<U>,
  initial: { value: U } | undefined,
  options?: TerminalOptions,
): Promise<U> {
  functionNamed("fn", fn);
  let hasAccumulator = initial !== undefined;
  let accumulator = initial?.value as U;
  await consume(plan, (run, level) => {
    let index = 0;
    const keep = (result: U): Wait => {
      accumulator = result;
      return undefined;
    };
    return (value) => {
      if (!hasAccumulator) {
        hasAccumulator = true;
        index++;
        // Without an initial value U is T: the overloads of AsyncStream.reduce say so.
        return keep(value as unknown as U);
      }
      const result = fn(accumulator, value, index++);
      return isThenable(result)
        ? later(run, level, result as PromiseLike<U>, keep)
        : keep(result as U);
    };
  }, options);
  if (!hasAccumulator) {
    throw new TypeError(
      "reduce() of an empty stream needs an initial value. Pass one as the second argument.",
    );
  }
  return accumulator;
}

/** How many elements there are. */
export async function count<T>(
  plan: Plan<T>,
  options?: TerminalOptions,
): Promise<number> {
  let total = 0;
  await consume(plan, () => () => void total++, options);
  return total;
}

/** Reads to the end and keeps nothing. */
export function drain<T>(
  plan: Plan<T>,
  options?: TerminalOptions,
): Promise<void> {
  return consume(plan, () => () => undefined, options);
}

/** The first element that passes, or does not, as `wanted` says. */
export async function search<T>(
  plan: Plan<T>,
  predicate: Predicate<T>,
  wanted: boolean,
  options?: TerminalOptions,
): Promise<{ value: T } | undefined> {
  functionNamed("predicate", predicate);
  let found: { value: T } | undefined;
  await consume(plan, (run, level) => {
    let index = 0;
    return (value) => {
      const decide = (passes: unknown): Wait => {
        if (Boolean(passes) === wanted) {
          found = { value };
          run.stop(level);
        }
        return undefined;
      };
      const passes = predicate(value, index++);
      return isThenable(passes)
        ? later(run, level, passes, decide)
        : decide(passes);
    };
  }, options);
  return found;
}

/** The last element; `undefined` when there is none. */
export async function last<T>(
  plan: Plan<T>,
  options?: TerminalOptions,
): Promise<T | undefined> {
  let result: T | undefined;
  await consume(plan, () => (value) => void (result = value), options);
  return result;
}

/** All elements by key; a later element of the same key replaces the earlier one. */
export async function toMap<T, K, V>(
  plan: Plan<T>,
  keyOf: Mapper<T, K>,
  valueOf: Mapper<T, V> | undefined,
  options?: TerminalOptions,
): Promise<Map<K, V>> {
  functionNamed("keyOf", keyOf);
  if (valueOf !== undefined) functionNamed("valueOf", valueOf);
  const entries = new Map<K, V>();
  await consume(plan, (run, level) => {
    let index = 0;
    return (value) => {
      const place = index++;
      const keep = (key: K, kept: V): Wait => {
        entries.set(key, kept);
        return undefined;
      };
      const valued = (key: K): Wait => {
        const kept = valueOf === undefined
          // Without valueOf V is T: the overloads of AsyncStream.toMap say so.
          ? value as unknown as V
          : valueOf(value, place);
        return isThenable(kept)
          ? later(
            run,
            level,
            kept as PromiseLike<V>,
            (kept) => keep(key, kept),
          )
          : keep(key, kept as V);
      };
      const key = keyOf(value, place);
      return isThenable(key)
        ? later(run, level, key as PromiseLike<K>, valued)
        : valued(key as K);
    };
  }, options);
  return entries;
}

/** All different elements. */
export async function toSet<T>(
  plan: Plan<T>,
  options?: TerminalOptions,
): Promise<Set<T>> {
  const values = new Set<T>();
  await consume(plan, () => (value) => void values.add(value), options);
  return values;
}

/** All elements as one string. As in Array.join, undefined and null are empty. */
export async function join<T>(
  plan: Plan<T>,
  separator: string,
  options?: TerminalOptions,
): Promise<string> {
  string("separator", separator);
  let text = "";
  let isFirst = true;
  await consume(plan, () => (value) => {
    if (isFirst) isFirst = false;
    else text += separator;
    text += value ?? "";
    return undefined;
  }, options);
  return text;
}
