/**
 * Waiting that ends.
 *
 * @module
 */

/** Waits for a promise, though not for ever. */
export async function within(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      promise,
      new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds)),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
