/**
 * What a pool is made with, checked.
 *
 * @module
 */
import {
  boolean,
  duration,
  functionNamed,
  integer,
  integerOrInfinity,
  show,
  wrong,
} from "../../_internal/validate.ts";
import type { PoolFailure, ResourcePoolOptions } from "./types.ts";

/** The options, checked and with their defaults. */
export interface PoolSettings<R> {
  readonly maxResources: number;
  readonly minResources: number;
  readonly factory: (signal: AbortSignal) => R | PromiseLike<R>;
  readonly cleanup: ((resource: R) => unknown) | undefined;
  readonly validate:
    | ((resource: R) => boolean | PromiseLike<boolean>)
    | undefined;
  readonly acquireTimeout: number;
  readonly idleTimeout: number;
  readonly maxLifetime: number;
  readonly maxWaiting: number;
  readonly cleanupTimeout: number;
  readonly trackLeaks: boolean;
  readonly onError:
    | ((error: unknown, during: PoolFailure) => void)
    | undefined;
}

/** Checks the options and fills in the defaults. */
export function checkPoolOptions<R>(
  options: ResourcePoolOptions<R>,
): PoolSettings<R> {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(
      `ResourcePool options must be an object, got ${show(options)}`,
    );
  }
  const maxResources = integer("maxResources", options.maxResources, 1);
  const minResources = integer("minResources", options.minResources ?? 0, 0);
  if (minResources > maxResources) {
    throw new RangeError(
      `minResources must be at most maxResources (${maxResources}), got ${minResources}`,
    );
  }
  const { trackLeaks = false } = options;
  boolean("trackLeaks", trackLeaks);
  return {
    maxResources,
    minResources,
    factory: functionNamed("factory", options.factory),
    cleanup: optionalFunction("cleanup", options.cleanup),
    validate: optionalFunction("validate", options.validate),
    acquireTimeout: duration(
      "acquireTimeout",
      options.acquireTimeout ?? Infinity,
    ),
    idleTimeout: duration("idleTimeout", options.idleTimeout ?? Infinity),
    maxLifetime: lifetime(options.maxLifetime ?? Infinity),
    maxWaiting: integerOrInfinity(
      "maxWaiting",
      options.maxWaiting ?? Infinity,
      0,
    ),
    cleanupTimeout: duration(
      "cleanupTimeout",
      options.cleanupTimeout ?? 10_000,
    ),
    trackLeaks,
    onError: optionalFunction("onError", options.onError),
  };
}

function optionalFunction<T>(
  name: string,
  value: T | undefined,
): T | undefined {
  return value === undefined ? undefined : functionNamed(name, value);
}

function lifetime(value: unknown): number {
  if (typeof value === "number" && value > 0) return value;
  throw wrong(
    "maxLifetime",
    "a positive number of milliseconds (Infinity for none)",
    value,
    typeof value === "number",
  );
}
