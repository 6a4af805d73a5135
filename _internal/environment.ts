/**
 * Reads environment variables without ever prompting: without the permission, or without an
 * environment (a browser), the defaults hold.
 *
 * @module
 */
import { show } from "./validate.ts";

/** The variable's value; `undefined` when it is not set, empty, or may not be read. */
export function readEnvironment(variable: string): string | undefined {
  let value: string | undefined;
  if (typeof Deno !== "undefined") {
    const { state } = Deno.permissions.querySync({ name: "env", variable });
    value = state === "granted" ? Deno.env.get(variable) : undefined;
  } else {
    value = (globalThis as {
      process?: { env?: Record<string, string | undefined> };
    }).process?.env?.[variable];
  }
  return value === undefined || value.trim() === "" ? undefined : value;
}

/**
 * The variable as a number of at least `least`; `fallback` when it is not set.
 *
 * @throws {RangeError} When it is set to anything else, naming variable and value.
 */
export function environmentNumber(
  variable: string,
  fallback: number,
  { least, whole }: { least: number; whole: boolean },
): number {
  const text = readEnvironment(variable);
  if (text === undefined) return fallback;
  // Number() takes "0x10" and "1e3" as well: a person who writes that means it.
  const value = Number(text);
  if (
    !Number.isFinite(value) || value < least ||
    (whole && !Number.isSafeInteger(value))
  ) {
    throw new RangeError(
      `The environment variable ${variable} must be ${
        whole ? "a whole number" : "a number"
      } of at least ${least}, got ${show(text)}. Correct it or unset it.`,
    );
  }
  return value;
}
