/**
 * Checks of options. Each says which option was wrong, what was expected and what was given,
 * and returns the value so that a constructor can assign in one line.
 *
 * @module
 */

/** How much of a string is shown. */
const LONGEST_SHOWN = 80;

/** How a wrong value is shown in a message: short, and never a throw of its own. */
export function show(value: unknown): string {
  try {
    switch (typeof value) {
      case "string":
        return value.length <= LONGEST_SHOWN
          ? JSON.stringify(value)
          : `${JSON.stringify(value.slice(0, LONGEST_SHOWN))} and ${
            value.length - LONGEST_SHOWN
          } characters more`;
      case "function":
        return `function ${value.name || "(anonymous)"}`;
      case "bigint":
        return `${value}n`;
      case "object":
        if (value === null) return "null";
        return Array.isArray(value)
          ? "an array"
          : `an object (${value.constructor?.name ?? "no prototype"})`;
      default:
        return String(value);
    }
  } catch {
    // A getter or a proxy that throws, or a name that is no string.
    return typeof value === "function" ? "a function" : "an object";
  }
}

/** A whole number of at least `least`. */
export function integer(name: string, value: unknown, least: number): number {
  if (
    typeof value === "number" && Number.isSafeInteger(value) && value >= least
  ) {
    return value;
  }
  const wanted = least === 1
    ? "a positive integer"
    : least === 0
    ? "a non-negative integer"
    : `an integer of at least ${least}`;
  throw wrong(name, wanted, value, typeof value === "number");
}

/** A whole number of at least `least`, or Infinity for no limit. */
export function integerOrInfinity(
  name: string,
  value: unknown,
  least: number,
): number {
  if (value === Infinity) return Infinity;
  if (
    typeof value === "number" && Number.isSafeInteger(value) && value >= least
  ) {
    return value;
  }
  const wanted = least === 1
    ? "a positive integer or Infinity"
    : least === 0
    ? "a non-negative integer or Infinity"
    : `an integer of at least ${least}, or Infinity`;
  throw wrong(name, wanted, value, typeof value === "number");
}

/** Milliseconds: zero or more; Infinity means never. */
export function duration(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0) return value;
  throw wrong(
    name,
    "a non-negative number of milliseconds (Infinity for none)",
    value,
    typeof value === "number",
  );
}

/** Milliseconds: more than zero and finite. */
export function finiteDuration(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0 && value < Infinity) return value;
  throw wrong(
    name,
    "a positive, finite number of milliseconds",
    value,
    typeof value === "number",
  );
}

/** A number between two bounds, both included. */
export function between(
  name: string,
  value: unknown,
  low: number,
  high: number,
): number {
  if (typeof value === "number" && value >= low && value <= high) return value;
  throw wrong(
    name,
    `a number from ${low} to ${high}`,
    value,
    typeof value === "number",
  );
}

/** One of the listed words. */
export function oneOf<T extends string>(
  name: string,
  value: unknown,
  words: readonly T[],
): T {
  if (
    typeof value === "string" && (words as readonly string[]).includes(value)
  ) {
    return value as T;
  }
  throw wrong(
    name,
    `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    value,
    typeof value === "string",
  );
}

/** An object, for what has options of its own; `or` names what else may be given. */
export function object(name: string, value: unknown, or = ""): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(`${name} must be ${or}an object, got ${show(value)}`);
}

/** A switch: a word or a number given for one is a mistake. */
export function boolean(name: string, value: unknown): void {
  if (typeof value === "boolean") return;
  throw new TypeError(`${name} must be true or false, got ${show(value)}`);
}

/** A function. */
export function functionNamed<T>(name: string, value: T): T {
  if (typeof value === "function") return value;
  throw new TypeError(`${name} must be a function, got ${show(value)}`);
}

/** Checks a signal. */
export function checkSignal(name: string, value: unknown): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw new TypeError(`${name} must be an AbortSignal, got ${show(value)}`);
}

/** The error for a value of the wrong range (RangeError) or of the wrong type (TypeError). */
export function wrong(
  name: string,
  wanted: string,
  value: unknown,
  rightType: boolean,
): RangeError | TypeError {
  const text = `${name} must be ${wanted}, got ${show(value)}`;
  return rightType ? new RangeError(text) : new TypeError(text);
}
