/**
 * Values made again of what came from the queue. That is data: decoding makes values of the
 * classes of `kinds.ts` and of nothing else, and no key of it ever sets a prototype.
 *
 * @module
 */
import { fromBase64 } from "./base64.ts";
import {
  BUILT_IN,
  type Encoded,
  OUR_ERRORS,
  type PackedError,
  type PackedThrown,
  setOwn,
  VIEWS,
} from "./kinds.ts";

/**
 * The value that was encoded.
 *
 * @throws {TypeError} When it is not what `encode` makes.
 */
export function decode(encoded: Encoded): unknown {
  if (typeof encoded !== "object" || encoded === null) return encoded;
  if (Array.isArray(encoded)) {
    for (let index = 0; index < encoded.length; index++) {
      const part = encoded[index];
      if (typeof part === "object" && part !== null) {
        encoded[index] = decode(part);
      }
    }
    return encoded;
  }
  const record = encoded as Record<string, Encoded>;
  if (Object.hasOwn(record, "$")) return decodeTagged(record);
  return decodeParts(record);
}

/** In place: the tree comes fresh from JSON.parse and belongs to nobody else. */
function decodeParts(record: Record<string, Encoded>): unknown {
  for (const key of Object.keys(record)) {
    const part = record[key];
    if (typeof part === "object" && part !== null) {
      setOwn(record, key, decode(part));
    }
  }
  return record;
}

function decodeTagged({ $: kind, v: held }: Record<string, Encoded>): unknown {
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      return Number(held);
    case "bigint":
      return BigInt(string(held));
    case "Object":
      return decodeParts(object(held));
    case "null-prototype":
      return Object.defineProperties(
        Object.create(null),
        Object.getOwnPropertyDescriptors(decodeParts(object(held))),
      );
    case "Error":
      return unpackError(object(held) as unknown as PackedError, undefined);
    case "Date":
      return new Date(held === null ? NaN : Number(held));
    case "Map":
      return new Map(
        list(held).map((entry) => {
          const [key, value] = list(entry);
          return [decode(key), decode(value)];
        }),
      );
    case "Set":
      return new Set(list(held).map(decode));
    case "URL":
      return new URL(string(held));
    case "RegExp": {
      const [source, flags] = list(held);
      return new RegExp(string(source), string(flags));
    }
    case "ArrayBuffer":
      return fromBase64(string(held)).buffer;
    default: {
      const view = typeof kind === "string" ? VIEWS.get(kind) : undefined;
      if (view === undefined) throw malformed(`of the kind ${String(kind)}`);
      return new view(fromBase64(string(held)).buffer);
    }
  }
}

function malformed(what: string): TypeError {
  return new TypeError(
    `A value ${what} came from the queue, which no version of this package known here writes`,
  );
}

function string(value: unknown): string {
  if (typeof value === "string") return value;
  throw malformed("that holds no text where it should");
}

function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed("that holds no list where it should");
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw malformed("that holds no object where it should");
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
  const ours = OUR_ERRORS.get(packed.base);
  if (ours !== undefined) {
    return Object.setPrototypeOf(new Error(packed.message), ours);
  }
  return new (BUILT_IN.get(packed.base) ?? Error)(packed.message);
}
