/**
 * What travels between processes: either a value arrives as it was, or it is refused with the
 * path inside it. Plain JSON stays plain JSON, so that dashboards show it; everything else is
 * wrapped in an object of the two keys `$` (what it is) and `v` (what it holds). An object of the
 * user's that has a key `$` is wrapped too, so the two cannot be confused.
 *
 * What comes from the queue is data: decoding makes values of the built-in classes named here and
 * of nothing else, and never sets a prototype.
 *
 * @module
 */
import { NotSerializableError } from "../errors.ts";
import { toBase64 } from "./base64.ts";
import {
  BUILT_IN,
  type Encoded,
  OUR_ERRORS,
  type PackedError,
  type PackedThrown,
  setOwn,
  VIEWS,
} from "./kinds.ts";
import { pathText } from "./path.ts";

/** Levels of nesting: more would be too much for the stack of whoever reads it. */
const MAX_DEPTH = 200;
/** Errors within one value: enough for any real failure, and an end to those that share theirs. */
const MAX_ERRORS = 1000;
/** Those are sent by themselves. */
const NOT_FIELDS: ReadonlySet<string> = new Set([
  "cause",
  "errors",
  "name",
  "stack",
  "message",
]);

/**
 * The sendable form of `value`, a copy.
 *
 * @throws {NotSerializableError} When a part of it cannot travel.
 */
export function encode(value: unknown, what: string): Encoded {
  return new Encoder(what).encode(value);
}

/** The sendable form of what was thrown. Never throws. */
export function packThrown(thrown: unknown): PackedThrown {
  try {
    return new Encoder("What was thrown").thrown(thrown);
  } catch {
    // It cannot travel, or a getter of it throws: its text is better than nothing.
    return { value: describe(thrown) };
  }
}

/** Walks one value. */
export class Encoder {
  /** About how many bytes the JSON takes: at least a sixth of what it does. */
  size = 0;
  readonly #what: string;
  /** The objects that are being walked, from the outside in: a second visit is a circle. */
  readonly #open: object[] = [];
  readonly #path: (string | number)[] = [];
  #errors = 0;

  constructor(what: string) {
    this.#what = what;
  }

  encode(value: unknown): Encoded {
    switch (typeof value) {
      case "string":
        this.size += value.length + 2;
        return value;
      case "number":
        this.size += 8;
        return Number.isFinite(value) && !Object.is(value, -0)
          ? value
          : { $: "number", v: Object.is(value, -0) ? "-0" : String(value) };
      case "boolean":
        this.size += 5;
        return value;
      case "undefined":
        this.size += 17;
        return { $: "undefined" };
      case "bigint": {
        const text = String(value);
        this.size += text.length + 19;
        return { $: "bigint", v: text };
      }
      case "object":
        if (value === null) {
          this.size += 4;
          return null;
        }
        return this.#object(value);
      case "function":
        throw this.#refuse(
          `a function${value.name === "" ? "" : ` (${value.name})`}`,
        );
      default:
        throw this.#refuse("a symbol");
    }
  }

  #object(value: object): Encoded {
    if (this.#open.includes(value)) {
      throw this.#refuse("part of a circle (it contains itself)");
    }
    if (this.#open.length >= MAX_DEPTH) {
      throw this.#refuse(`nested more than ${MAX_DEPTH} levels deep`);
    }
    this.#open.push(value);
    const encoded = Array.isArray(value)
      ? this.#array(value)
      : this.#byClass(value);
    this.#open.pop();
    return encoded;
  }

  #array(value: unknown[]): Encoded {
    if (Object.getPrototypeOf(value) !== Array.prototype) {
      throw this.#refuse(`an instance of ${className(value)}`);
    }
    const encoded = new Array<Encoded>(value.length);
    this.size += value.length + 2;
    for (let index = 0; index < value.length; index++) {
      this.#path.push(index);
      if (!(index in value)) throw this.#refuse("a hole in an array");
      encoded[index] = this.encode(value[index]);
      this.#path.pop();
    }
    if (Object.keys(value).length !== value.length) {
      throw this.#refuse("an array with named properties");
    }
    return encoded;
  }

  #byClass(value: object): Encoded {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#plain(value, "Object");
    // What is written around what they hold.
    this.size += 30;
    if (prototype === null) {
      return { $: "null-prototype", v: this.#plain(value, "null-prototype") };
    }
    if (value instanceof Error) return { $: "Error", v: this.error(value) };
    if (prototype === Date.prototype) {
      const time = (value as Date).getTime();
      return { $: "Date", v: Number.isNaN(time) ? null : time };
    }
    if (prototype === Map.prototype) {
      return {
        $: "Map",
        v: this.#entries([...(value as Map<unknown, unknown>)]),
      };
    }
    if (prototype === Set.prototype) {
      return {
        $: "Set",
        v: [...(value as Set<unknown>)].map((one, index) =>
          this.#at(index, one)
        ),
      };
    }
    if (prototype === URL.prototype) {
      return { $: "URL", v: this.encode((value as URL).href) };
    }
    if (prototype === RegExp.prototype) {
      const { source, flags } = value as RegExp;
      return { $: "RegExp", v: [this.encode(source), flags] };
    }
    if (prototype === ArrayBuffer.prototype) {
      return this.#bytes("ArrayBuffer", new Uint8Array(value as ArrayBuffer));
    }
    if (ArrayBuffer.isView(value)) {
      const view = VIEWS.get(className(value));
      if (view !== undefined && prototype === view.prototype) {
        return this.#bytes(
          view.name,
          new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
        );
      }
    }
    throw this.#refuse(`an instance of ${className(value)}`);
  }

  #plain(value: object, kind: string): Encoded {
    if (
      Object.getOwnPropertySymbols(value).some((symbol) =>
        Object.prototype.propertyIsEnumerable.call(value, symbol)
      )
    ) throw this.#refuse("an object with a symbol as a key");
    const encoded: Record<string, Encoded> = {};
    for (const key of Object.keys(value)) {
      this.size += key.length + 4;
      const part = (value as Record<string, unknown>)[key];
      setOwn(encoded, key, this.#at(key, part));
    }
    return kind === "Object" && Object.hasOwn(encoded, "$")
      ? { $: "Object", v: encoded }
      : encoded;
  }

  #entries(entries: [unknown, unknown][]): Encoded {
    return entries.map(([key, one], index) => {
      this.size += 4;
      this.#path.push(typeof key === "string" ? key : index);
      const encoded = [this.encode(key), this.encode(one)];
      this.#path.pop();
      return encoded;
    });
  }

  #at(key: string | number, value: unknown): Encoded {
    this.#path.push(key);
    const encoded = this.encode(value);
    this.#path.pop();
    return encoded;
  }

  #bytes(kind: string, bytes: Uint8Array): Encoded {
    const text = toBase64(bytes);
    this.size += text.length;
    return { $: kind, v: text };
  }

  /** An error, with what of it can travel; the rest is left out. */
  error(error: Error): PackedError {
    this.#errors++;
    const fields: Record<string, Encoded> = {};
    for (const [key, value] of Object.entries(error)) {
      if (NOT_FIELDS.has(key)) continue;
      this.size += key.length + 4;
      const part = this.#attempt(() => this.encode(value));
      if (part !== undefined) setOwn(fields, key, part.encoded);
    }
    const { errors } = error as { errors?: unknown };
    const packed: PackedError = {
      base: baseOf(error),
      name: String(error.name),
      message: String(error.message),
      stack: typeof error.stack === "string" ? error.stack : undefined,
      fields: Object.keys(fields).length === 0 ? undefined : fields,
      cause: "cause" in error && error.cause !== undefined
        ? this.#inner(error.cause)
        : undefined,
      errors: Array.isArray(errors)
        ? errors.flatMap((one) => this.#inner(one) ?? [])
        : undefined,
    };
    this.size += 100 + packed.name.length + packed.message.length +
      (packed.stack?.length ?? 0);
    return packed;
  }

  /** What was thrown: an error, or any value. */
  thrown(thrown: unknown): PackedThrown {
    if (!(thrown instanceof Error)) return { value: this.encode(thrown) };
    this.#open.push(thrown);
    const error = this.error(thrown);
    this.#open.pop();
    return { error };
  }

  /** A cause, or one of several errors; nothing for one that leads back to where it comes from. */
  #inner(thrown: unknown): PackedThrown | undefined {
    if (
      this.#errors >= MAX_ERRORS || this.#open.length >= MAX_DEPTH ||
      this.#open.includes(thrown as object)
    ) return undefined;
    return this.#attempt(() => this.thrown(thrown))?.encoded ??
      { value: describe(thrown) };
  }

  /** Nothing for what cannot travel. */
  #attempt<T>(encode: () => T): { encoded: T } | undefined {
    const open = this.#open.length;
    const path = this.#path.length;
    try {
      return { encoded: encode() };
    } catch {
      // Refused, or a getter of it throws.
      this.#open.length = open;
      this.#path.length = path;
      return undefined;
    }
  }

  #refuse(kind: string): NotSerializableError {
    return new NotSerializableError(this.#what, pathText(this.#path), kind);
  }
}

function className(value: object): string {
  const name = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "a class";
}

function baseOf(error: Error): string {
  if (error instanceof DOMException) return "DOMException";
  if (error instanceof AggregateError) return "AggregateError";
  for (const [name, prototype] of OUR_ERRORS) {
    if (Object.getPrototypeOf(error) === prototype) return name;
  }
  for (const [name, constructor] of BUILT_IN) {
    if (error instanceof constructor) return name;
  }
  return "Error";
}

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "(a value that cannot be shown)";
  }
}
