/**
 * Whose fault it is that a file is missing: the origin's, or ours.
 *
 * @module
 */
import {
  CircuitOpenError,
  HTTPStatusError,
  HTTPTimeoutError,
  NetworkError,
} from "../../mod.ts";

/**
 * Whether the origin could have served a file that failed with `error`. It could not when it
 * said so itself (a status of 400 or more, after every retry), or when its host has answered
 * nothing at all in this run.
 */
export function couldServe(error: unknown, hostHasAnswered: boolean): boolean {
  for (const each of chain(error)) {
    if (each instanceof HTTPStatusError) return false;
    if (
      each instanceof CircuitOpenError || each instanceof NetworkError ||
      each instanceof HTTPTimeoutError
    ) return hostHasAnswered;
  }
  return true;
}

/**
 * Whether the same may succeed a little later: the host or the way to it was in trouble, perhaps
 * with another file.
 */
export function mayPass(error: unknown): boolean {
  for (const each of chain(error)) {
    if (each instanceof HTTPStatusError) return each.status >= 500;
    if (
      each instanceof CircuitOpenError || each instanceof NetworkError ||
      each instanceof HTTPTimeoutError
    ) return true;
  }
  return false;
}

/** The error, what it sums up, and what caused it, most recent first. */
function* chain(error: unknown): Generator<unknown> {
  yield error;
  if (error instanceof AggregateError) {
    for (const each of error.errors.toReversed()) yield* chain(each);
  }
  if (error instanceof Error && error.cause !== undefined) {
    yield* chain(error.cause);
  }
}
