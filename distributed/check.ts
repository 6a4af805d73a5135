/**
 * Checks of options, in the words of the core package.
 *
 * @module
 */
import { TaskPriority } from "@specify/async-core/runner";

/** How a wrong value is shown in a message. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 80 ? value.slice(0, 80) : value);
    case "function":
      return `function ${value.name || "(anonymous)"}`;
    case "bigint":
      return `${value}n`;
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? "an array" : "an object";
    default:
      return String(value);
  }
}

/** Milliseconds: 0 or more, Infinity for no limit. */
export function duration(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0) return value;
  throw wrong(name, "a non-negative number of milliseconds", value);
}

/** Milliseconds: more than 0 and finite. */
export function finiteDuration(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0 && value < Infinity) return value;
  throw wrong(name, "a positive and finite number of milliseconds", value);
}

/** A whole number of at least `least`. */
export function integer(name: string, value: unknown, least = 1): number {
  if (
    typeof value === "number" && Number.isSafeInteger(value) && value >= least
  ) return value;
  throw wrong(name, `an integer of at least ${least}`, value);
}

/** A whole number of at least `least`, or Infinity. */
export function integerOrInfinity(
  name: string,
  value: unknown,
  least = 1,
): number {
  return value === Infinity ? Infinity : integer(name, value, least);
}

/** A text that is not empty. */
export function text(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw wrongType(name, "a non-empty string", value);
}

/** An object of options. */
export function object(name: string, value: unknown): void {
  if (typeof value !== "object" || value === null) {
    throw wrongType(name, "an object", value);
  }
}

/** An AbortSignal, of this realm or another. */
export function signal(name: string, value: unknown): void {
  if (
    typeof value !== "object" || value === null || !("aborted" in value) ||
    !("addEventListener" in value)
  ) throw wrongType(name, "an AbortSignal", value);
}

/** True or false. */
export function boolean(name: string, value: unknown): void {
  if (typeof value !== "boolean") throw wrongType(name, "true or false", value);
}

/** A function. */
export function functionNamed(name: string, value: unknown): void {
  if (typeof value !== "function") throw wrongType(name, "a function", value);
}

/** One of the five levels. */
export function priority(value: unknown): TaskPriority {
  for (const level of Object.values(TaskPriority)) {
    if (level === value) return level;
  }
  throw wrong("priority", "a TaskPriority (0 to 4)", value);
}

function wrongType(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, got ${show(value)}`);
}

function wrong(name: string, wanted: string, value: unknown): Error {
  const error = wrongType(name, wanted, value);
  return typeof value === "number" ? new RangeError(error.message) : error;
}
