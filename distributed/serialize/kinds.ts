/**
 * How values are written that JSON has no form for, and the classes that are made again of them.
 *
 * @module
 */

import {
  InputTooLargeError,
  NotSerializableError,
  TaskLostError,
  UnknownTaskError,
} from "../errors.ts";

/** A value as it is sent: something that JSON can hold. */
export type Encoded = unknown;

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

/** The classes that are kept; anything else arrives as an Error of its name. */
export const BUILT_IN: ReadonlyMap<string, new (message: string) => Error> =
  new Map(
    [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]
      .map((one) => [one.name, one]),
  );

/** The errors of this package that workers throw: they arrive as what they are. */
export const OUR_ERRORS: ReadonlyMap<string, Error> = new Map(
  [InputTooLargeError, NotSerializableError, TaskLostError, UnknownTaskError]
    .map((one) => [one.name, one.prototype]),
);

type TypedArrayConstructor = {
  new (buffer: ArrayBuffer): ArrayBufferView;
  readonly name: string;
};

/** The views of bytes that travel, by name. */
export const VIEWS: ReadonlyMap<string, TypedArrayConstructor> = new Map(
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

/** Plain assignment, save that `__proto__` becomes an own property like any other. */
export function setOwn(
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
