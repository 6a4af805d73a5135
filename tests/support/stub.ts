/**
 * Another function in the place of one of the runtime's.
 *
 * @module
 */

/** Puts another function in the place of one, until its disposal. */
export function stub<O, K extends keyof O>(
  object: O,
  key: K,
  make: (original: O[K]) => O[K],
): Disposable {
  const original = object[key];
  object[key] = make(original);
  return {
    [Symbol.dispose]() {
      object[key] = original;
    },
  };
}
