export function assertType<T extends boolean>(_expectTrue: T): void;
/** Checks if type `T` is the specific type `any`. */
export type IsAny<T> = unknown extends T
  ? ([keyof T] extends [never] ? false : true)
  : false;
/** Checks if types `T` and `U` are exactly the same, `any` included. */
export type IsExact<T, U> = (<G>() => G extends (T & G) | T ? 1 : 2) extends
  (<G>() => G extends (U & G) | U ? 1 : 2) ? true : false;
