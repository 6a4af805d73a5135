/**
 * Checks of options. Each says which option was wrong, what was expected and what was given,
 * and returns the value so that a constructor can assign in one line.
 *
 * Whatever takes an object of options has one table of checks, which names every option that it
 * knows, and gives both to {@linkcode checkOptions}.
 *
 * @module
 */

/** How much of a string is shown. */
const MAX_SHOWN = 80;

/** How a wrong value is shown in a message: short, and never a throw of its own. */
export function show(value: unknown): string {
  try {
    switch (typeof value) {
      case "string":
        return value.length <= MAX_SHOWN
          ? JSON.stringify(value)
          : `${JSON.stringify(value.slice(0, MAX_SHOWN))} and ${
            value.length - MAX_SHOWN
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

/** A whole number of at least `least`; `or` names what else may be given. */
export function integer(
  name: string,
  value: unknown,
  least: number,
  or = "",
): number {
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
  throw wrong(name, wanted + or, value, typeof value === "number");
}

/** A whole number of at least `least`, or Infinity for no limit. */
export function integerOrInfinity(
  name: string,
  value: unknown,
  least: number,
): number {
  if (value === Infinity) return Infinity;
  return integer(name, value, least, " or Infinity");
}

/** A check of numbers, which it gives back. */
export type NumberCheck = (name: string, value: unknown) => number;

/** A check of numbers: those that `fits` says are `wanted`. */
function numberThat(
  fits: (value: number) => boolean,
  wanted: string,
): NumberCheck {
  return (name, value) => {
    if (typeof value === "number" && fits(value)) return value;
    throw wrong(name, wanted, value, typeof value === "number");
  };
}

/** Milliseconds: zero or more; Infinity means never. */
export const duration: NumberCheck = numberThat(
  (value) => value >= 0,
  "a non-negative number of milliseconds (Infinity for none)",
);

/** Milliseconds: more than zero; Infinity means never. */
export const positiveDuration: NumberCheck = numberThat(
  (value) => value > 0,
  "a positive number of milliseconds (Infinity for none)",
);

/** Milliseconds: more than zero and finite. */
export const finiteDuration: NumberCheck = numberThat(
  (value) => value > 0 && value < Infinity,
  "a positive, finite number of milliseconds",
);

/** When, on the `performance.now()` line; Infinity means never. */
export const timePoint: NumberCheck = numberThat(
  (value) => !Number.isNaN(value),
  "a point on the performance.now() line",
);

/** An object, for what has options of its own; `or` names what else may be given. */
export function object(name: string, value: unknown, or = ""): void {
  if (typeof value === "object" && value !== null) return;
  // Text in place of options may be an address with a password, or a header.
  const given = typeof value === "string" ? "a string" : show(value);
  throw new TypeError(`${name} must be ${or}an object, got ${given}`);
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

/** One of the five levels of urgency. */
export function checkPriority(value: unknown): 0 | 1 | 2 | 3 | 4 {
  if (
    value === 0 || value === 1 || value === 2 || value === 3 || value === 4
  ) return value;
  throw wrong(
    "priority",
    "a TaskPriority (0 CRITICAL to 4 BACKGROUND)",
    value,
    typeof value === "number",
  );
}

/** Whatever tasks can be submitted to. */
export function checkRunner<T extends { submit: unknown }>(runner: T): T {
  if (typeof runner?.submit === "function") return runner;
  throw new TypeError(
    `runner must have a submit method (AsyncRunner, TaskScheduler), got ${
      show(runner)
    }`,
  );
}

/** Text that is not empty. */
export function text(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw new TypeError(`${name} must be a non-empty string, got ${show(value)}`);
}

/** Text, which may be empty. */
export function string(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${name} must be a string, got ${show(value)}`);
}

/** An array. */
export function array(name: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${name} must be an array, got ${show(value)}`);
}

/** How one option is checked: throws a RangeError or a TypeError that names it. */
export type Check = (name: string, value: unknown) => unknown;

/** A check for each option of `O`: the type of the table shows one that is forgotten. */
export type Checks<O> = { readonly [Name in keyof Required<O>]: Check };

/** A whole number of at least `least`. */
export function integerFrom(least: number): Check {
  return (name, value) => integer(name, value, least);
}

/** A whole number of at least `least`, or Infinity for no limit. */
export function limitFrom(least: number): Check {
  return (name, value) => integerOrInfinity(name, value, least);
}

/** A number between two bounds, both included. */
export function numberBetween(low: number, high: number): NumberCheck {
  return numberThat(
    (value) => value >= low && value <= high,
    `a number from ${low} to ${high}`,
  );
}

/** One of the listed words. */
export function word(...words: string[]): Check {
  return (name, value) => {
    if (typeof value === "string" && words.includes(value)) return value;
    throw wrong(
      name,
      `one of ${words.map((word) => `"${word}"`).join(", ")}`,
      value,
      typeof value === "string",
    );
  };
}

/** One of the listed words, or a function. */
export function wordOrFunction(...words: string[]): Check {
  return (name, value) => {
    if (
      typeof value === "function" ||
      (typeof value === "string" && words.includes(value))
    ) return value;
    throw new TypeError(
      `${name} must be ${
        words.map((each) => `"${each}"`).join(", ")
      } or a function, got ${show(value)}`,
    );
  };
}

/** What `check` says, or `false` for none. */
export function orFalse(check: Check): Check {
  return (name, value) => value === false || check(name, value);
}

/** Text that no error shows, right or wrong. */
export function secret(name: string, value: unknown): void {
  if (typeof value !== "string") {
    throw new TypeError(`${name} must be a string, got ${kindOf(value)}`);
  }
}

/** Of what kind a value is that may be a secret. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  return value === null || value === undefined
    ? `${value}`
    : `a value of type ${typeof value}`;
}

/** The check of an option called `priority`. */
export const priorityOption: Check = (_name, value): unknown =>
  checkPriority(value);

/** The check of an option called `runner`. */
export const runnerOption: Check = (_name, value) =>
  // Looked at as whatever it is.
  checkRunner(value as { submit: unknown });

const requiredChecks = new WeakSet<Check>();

/** The check of an option that must be given. */
export function required(check: Check): Check {
  const own: Check = (name, value) => check(name, value);
  requiredChecks.add(own);
  return own;
}

const requiredByTable = new WeakMap<object, readonly string[]>();

/** The options that must be given, of a table. */
function requiredNames<O>(checks: Checks<O>): readonly string[] {
  let names = requiredByTable.get(checks);
  if (names === undefined) {
    names = Object.keys(checks).filter((name) =>
      requiredChecks.has(checks[name as keyof O])
    );
    requiredByTable.set(checks, names);
  }
  return names;
}

function isPlain(options: object): boolean {
  const prototype = Object.getPrototypeOf(options);
  return prototype === Object.prototype || prototype === null;
}

/** The check of an option that holds options of its own. */
export function optionsBy<O extends object>(checks: Checks<O>): Check {
  // Looked at as whatever it is.
  return (name, value) => checkOptions(name, value as O, checks, name);
}

/**
 * Checks the options of `what`, those that were given. One that `checks` does not name is a
 * mistake in its spelling, or one that something else takes.
 *
 * @param within The option that holds these, when they are options of an option.
 * @throws {TypeError | RangeError} naming the option and its value.
 */
export function checkOptions<O extends object>(
  what: string,
  options: O,
  checks: Checks<O>,
  within?: string,
): O {
  object(within ?? "options", options);
  const path = within === undefined ? "" : `${within}.`;
  const given = options as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(given)) {
    const value = given[name];
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, name)) {
      throw new TypeError(
        `${what} has no option ${show(path + name)}; it takes ${
          Object.keys(checks).map((known) => path + known).join(", ")
        }`,
      );
    }
    checks[name as keyof O](path + name, value);
  }
  // What is not among the keys: an option that is a getter of a class, one that must be given.
  // Few options of many is what calls are given, so that is what must be fast.
  const names = isPlain(options) ? requiredNames(checks) : Object.keys(checks);
  for (const name of names) {
    const value = given[name];
    const check = checks[name as keyof O];
    if (value !== undefined || requiredChecks.has(check)) {
      check(path + name, value);
    }
  }
  return options;
}

/**
 * Those options that `checks` names and that were given, as an object of their own: a spread would
 * miss the getters of a class, and give what is `undefined` in place of a default.
 */
export function givenOptions<O extends object>(
  options: O,
  checks: Checks<O>,
): O {
  const given = {} as O;
  for (const name in checks) {
    if (options[name] !== undefined) given[name] = options[name];
  }
  return given;
}

/** Checks options as `checkOptions` does, and gives those that were given, and `defaults`. */
export function takeOptions<O extends object, D = unknown>(
  what: string,
  options: O,
  checks: Checks<O>,
  defaults?: D,
): O & D {
  checkOptions(what, options, checks);
  return { ...defaults, ...givenOptions(options, checks) } as O & D;
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
