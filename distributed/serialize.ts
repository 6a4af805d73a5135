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
import { InputTooLargeError, NotSerializableError } from "./errors.ts";
import { type PackedError, packError, unpackError } from "./remote_error.ts";

/** A value as it is sent: something that JSON can hold. */
export type Encoded = unknown;

type TypedArrayConstructor = {
  new (buffer: ArrayBuffer): ArrayBufferView;
  readonly name: string;
};

const VIEWS: ReadonlyMap<string, TypedArrayConstructor> = new Map(
  ([
    Uint8Array,
    Uint8ClampedArray,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    BigInt64Array,
    BigUint64Array,
    Float32Array,
    Float64Array,
    DataView,
  ] as TypedArrayConstructor[]).map((one) => [one.name, one]),
);

/**
 * The sendable form of `value`, a copy.
 *
 * @throws {NotSerializableError} When a part of it cannot travel.
 */
export function encode(value: unknown, what: string): Encoded {
  return new Encoder(what).encode(value);
}

/**
 * The same, of at most `limit` bytes.
 *
 * @throws {InputTooLargeError} When it is larger.
 */
export function encodeWithin(
  value: unknown,
  what: string,
  limit: number,
): Encoded {
  const encoder = new Encoder(what);
  const encoded = encoder.encode(value);
  // What the walk adds up is at least a sixth of the JSON (a control character takes six bytes).
  if (encoder.size * 6 > limit) {
    const bytes = bytesOf(encoded);
    if (bytes > limit) {
      throw new InputTooLargeError(what, bytes, limit, heaviest(value, what));
    }
  }
  return encoded;
}

class Encoder {
  /** About how many bytes the JSON takes. */
  size = 0;
  readonly #what: string;
  /** The objects that are being walked, from the outside in: a second visit is a circle. */
  readonly #open: object[] = [];
  readonly #path: (string | number)[] = [];

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
    if (this.#open.length >= 200) {
      throw this.#refuse("nested more than 200 levels deep");
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
    if (prototype === null) {
      return { $: "null-prototype", v: this.#plain(value, "null-prototype") };
    }
    if (value instanceof Error) {
      this.size += 200 + value.message.length;
      return { $: "Error", v: packError(value) };
    }
    if (prototype === Date.prototype) {
      this.size += 30;
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
      this.#path.push(key);
      const part = this.encode((value as Record<string, unknown>)[key]);
      this.#path.pop();
      setOwn(encoded, key, part);
    }
    return kind === "Object" && Object.hasOwn(encoded, "$")
      ? { $: "Object", v: encoded }
      : encoded;
  }

  #entries(entries: [unknown, unknown][]): Encoded {
    return entries.map(([key, one], index) => {
      this.#path.push(typeof key === "string" ? key : index);
      const encoded = [this.encode(key), this.encode(one)];
      this.#path.pop();
      return encoded;
    });
  }

  #at(index: number, value: unknown): Encoded {
    this.#path.push(index);
    const encoded = this.encode(value);
    this.#path.pop();
    return encoded;
  }

  #bytes(kind: string, bytes: Uint8Array): Encoded {
    const text = toBase64(bytes);
    this.size += text.length + 20;
    return { $: kind, v: text };
  }

  #refuse(kind: string): NotSerializableError {
    return new NotSerializableError(this.#what, pathText(this.#path), kind);
  }
}

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

/** Plain assignment, save that `__proto__` becomes an own property like any other. */
function setOwn(
  target: Record<string, unknown>,
  key: string,
  value: unknown,
): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  } else target[key] = value;
}

function className(value: object): string {
  const name = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "a class";
}

/** `$.files[3]["a b"]`. */
function pathText(path: readonly (string | number)[]): string {
  return "$" +
    path.map((part) =>
      typeof part === "number"
        ? `[${part}]`
        : /^[A-Za-z_$][\w$]*$/.test(part)
        ? `.${part}`
        : `[${JSON.stringify(part)}]`
    ).join("");
}

const encoder = new TextEncoder();

function bytesOf(encoded: Encoded): number {
  return encoder.encode(JSON.stringify(encoded)).length;
}

/** Follows the largest part down while it is more than half of the whole. */
function heaviest(value: unknown, what: string): string {
  const path: (string | number)[] = [];
  let current = value;
  let size = bytesOf(encode(current, what));
  for (;;) {
    if (typeof current !== "object" || current === null) break;
    const parts: [string | number, unknown][] = Array.isArray(current)
      ? current.map((part, index) => [index, part])
      : Object.getPrototypeOf(current) === Object.prototype
      ? Object.entries(current)
      : [];
    let largest: [string | number, unknown, number] | undefined;
    for (const [key, part] of parts) {
      const bytes = bytesOf(encode(part, what));
      if (bytes > size / 2) largest = [key, part, bytes];
    }
    if (largest === undefined) break;
    path.push(largest[0]);
    current = largest[1];
    size = largest[2];
  }
  return pathText(path);
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(text);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) {
    bytes[index] = binary.charCodeAt(index);
  }
  return bytes;
}
