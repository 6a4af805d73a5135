/**
 * How an error crosses from one process to another: name, message, stack, cause, the errors of an
 * AggregateError and the error's own fields.
 *
 * @module
 */
import { decode, encode, type Encoded } from "./serialize.ts";

/** An error as it is sent. */
export interface PackedError {
  /** The built-in class that it is made of again. */
  readonly base: string;
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  readonly fields?: Record<string, Encoded> | undefined;
  readonly cause?: PackedThrown | undefined;
  readonly errors?: readonly PackedThrown[] | undefined;
}

/** Anything that was thrown, as it is sent. */
export type PackedThrown =
  | { readonly error: PackedError }
  | { readonly value: Encoded };

/** The built-in classes that are kept; anything else arrives as an Error of its name. */
const BUILT_IN: ReadonlyMap<string, new (message: string) => Error> = new Map(
  [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]
    .map((one) => [one.name, one]),
);

/** Causes of causes: enough for any real chain, and an end to one that is a circle. */
const DEEPEST = 8;

/** Makes what can be sent of what was thrown. Never throws. */
export function packThrown(thrown: unknown, depth = 0): PackedThrown {
  try {
    return thrown instanceof Error
      ? { error: packError(thrown, depth) }
      : { value: encode(thrown, "What was thrown") };
  } catch {
    // It cannot travel, or a getter of it throws: its text is better than nothing.
    return { value: describe(thrown) };
  }
}

/** Makes what can be sent of an error. Fields that cannot travel are left out. */
export function packError(error: Error, depth = 0): PackedError {
  const fields: Record<string, Encoded> = {};
  for (const [key, value] of Object.entries(error)) {
    if (["cause", "errors", "name", "stack", "message"].includes(key)) continue;
    try {
      Object.defineProperty(fields, key, {
        value: encode(value, "A field of an error"),
        enumerable: true,
      });
    } catch {
      // A function or a class with state: not without its process.
    }
  }
  const { errors } = error as { errors?: unknown };
  const goesDeeper = depth < DEEPEST;
  return {
    base: baseOf(error),
    name: String(error.name),
    message: String(error.message),
    stack: typeof error.stack === "string" ? error.stack : undefined,
    fields: Object.keys(fields).length === 0 ? undefined : fields,
    cause: "cause" in error && error.cause !== undefined && goesDeeper
      ? packThrown(error.cause, depth + 1)
      : undefined,
    errors: Array.isArray(errors) && goesDeeper
      ? errors.map((one) => packThrown(one, depth + 1))
      : undefined,
  };
}

function baseOf(error: Error): string {
  if (error instanceof DOMException) return "DOMException";
  if (error instanceof AggregateError) return "AggregateError";
  for (const [name, constructor] of BUILT_IN) {
    if (error instanceof constructor) return name;
  }
  return "Error";
}

/** Makes again what was thrown; `where` is added to its stack, below the remote frames. */
export function unpackThrown(
  packed: PackedThrown,
  where: string | undefined,
): unknown {
  return "error" in packed
    ? unpackError(packed.error, where)
    : decode(packed.value);
}

/** Makes an error again. */
export function unpackError(
  packed: PackedError,
  where: string | undefined,
): Error {
  const error = construct(packed);
  const define = (name: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, name, {
      value,
      configurable: true,
      enumerable,
      writable: true,
    });
  if (error.name !== packed.name) define("name", packed.name);
  if (packed.cause !== undefined) {
    define("cause", unpackThrown(packed.cause, where));
  }
  if (packed.errors !== undefined) {
    define("errors", packed.errors.map((one) => unpackThrown(one, where)));
  }
  for (const [key, value] of Object.entries(packed.fields ?? {})) {
    define(key, decode(value), true);
  }
  const stack = packed.stack ?? `${packed.name}: ${packed.message}`;
  define("stack", where === undefined ? stack : `${stack}\n    at ${where}`);
  return error;
}

function construct(packed: PackedError): Error {
  if (packed.base === "DOMException") {
    return new DOMException(packed.message, packed.name);
  }
  if (packed.base === "AggregateError") {
    return new AggregateError([], packed.message);
  }
  return new (BUILT_IN.get(packed.base) ?? Error)(packed.message);
}

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "(a value that cannot be shown)";
  }
}
