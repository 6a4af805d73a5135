/**
 * What goes wrong between two threads, and how an error crosses from one to the other.
 *
 * @module
 */

/**
 * Offloaded work could not be done: its module could not be loaded, exports no such function,
 * the worker died, or what it got or gave cannot be sent. An error that the function throws is
 * not wrapped in it.
 *
 * @example
 * ```ts
 * import { AsyncRunner, OffloadError } from "@specify/async-core";
 *
 * await using runner = new AsyncRunner();
 * const module = "data:text/javascript,export function square(n) { return n * n }";
 * await runner.offload(module, "cube", [3]).catch((error) => {
 *   console.log(error instanceof OffloadError); // true: it names what is exported
 * });
 * ```
 */
export class OffloadError extends Error {
  /** Always `"OffloadError"`. */
  override readonly name = "OffloadError";
}

/** A value that was thrown, as it is sent. */
export type SentValue =
  | { readonly error: SentError }
  | { readonly value: unknown };

/** An error, as it is sent: structured clone alone would lose its class and its own fields. */
export interface SentError {
  readonly base: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Record<string, unknown>;
  readonly cause: SentValue | undefined;
  readonly errors: readonly SentValue[] | undefined;
}

/** The built-in classes that are kept; anything else arrives as an Error of its name. */
const BUILT_IN: Readonly<
  Record<string, new (message: string) => Error>
> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/** Causes of causes: enough for any real chain, and an end to one that is a circle. */
const DEEPEST = 8;

/** Makes what can be sent of what was thrown. Never throws. */
export function packThrown(thrown: unknown, depth = 0): SentValue {
  try {
    if (thrown instanceof Error) return { error: packError(thrown, depth) };
    return { value: structuredClone(thrown) };
  } catch {
    // Not cloneable, or a getter that throws: its text is better than nothing.
    return { value: describe(thrown) };
  }
}

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "(a value that cannot be shown)";
  }
}

function packError(error: Error, depth: number): SentError {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(error)) {
    if (name === "cause" || name === "errors" || name === "name") continue;
    try {
      fields[name] = structuredClone(value);
    } catch {
      // A function, a class with private state: not without its thread.
    }
  }
  const { errors } = error as { errors?: unknown };
  const goesDeeper = depth < DEEPEST;
  return {
    base: baseOf(error),
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === "string" ? error.stack : undefined,
    fields,
    cause: "cause" in error && error.cause !== undefined && goesDeeper
      ? packThrown(error.cause, depth + 1)
      : undefined,
    errors: Array.isArray(errors) && goesDeeper
      ? errors.map((one) => packThrown(one, depth + 1))
      : undefined,
  };
}

function baseOf(error: Error): string {
  if (typeof DOMException !== "undefined" && error instanceof DOMException) {
    return "DOMException";
  }
  if (error instanceof AggregateError) return "AggregateError";
  return Object.keys(BUILT_IN).find((name) =>
    error instanceof BUILT_IN[name]!
  ) ??
    "Error";
}

/** Makes again what was thrown. `where` is added to the stack, below the remote frames. */
export function unpackThrown(sent: SentValue, where: string): unknown {
  return "error" in sent ? unpackError(sent.error, where) : sent.value;
}

function unpackError(sent: SentError, where: string): Error {
  const error = construct(sent);
  const define = (name: string, value: unknown) =>
    Object.defineProperty(error, name, {
      value,
      configurable: true,
      enumerable: false,
      writable: true,
    });
  if (error.name !== sent.name) define("name", sent.name);
  if (sent.cause !== undefined) {
    define("cause", unpackThrown(sent.cause, where));
  }
  if (sent.errors !== undefined) {
    define("errors", sent.errors.map((one) => unpackThrown(one, where)));
  }
  Object.assign(error, sent.fields);
  define(
    "stack",
    `${sent.stack ?? `${sent.name}: ${sent.message}`}\n    at ${where}`,
  );
  return error;
}

function construct(sent: SentError): Error {
  if (sent.base === "DOMException") {
    return new DOMException(sent.message, sent.name);
  }
  if (sent.base === "AggregateError") {
    return new AggregateError([], sent.message);
  }
  return new (BUILT_IN[sent.base] ?? Error)(sent.message);
}
