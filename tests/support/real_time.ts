/**
 * Waiting for real. A busy machine may stand still for a second at any point, so a test never takes
 * it that something has happened because time has passed: it waits until it has.
 *
 * @module
 */

// From before any fake time.
const { setTimeout: realSetTimeout } = globalThis;
const realNow = performance.now.bind(performance);

/** Lets real time pass, for what must not happen in it. Fake time does not matter. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => realSetTimeout(resolve, milliseconds));
}

/** Waits until `isSo`, which is asked every few milliseconds, and fails after a minute. */
export async function until(
  isSo: () => boolean,
  what: string = `${isSo}`,
): Promise<void> {
  if (!await comes(isSo, 60_000)) throw new Error(`It has not come: ${what}`);
}

/** Waits for at most `limit` milliseconds until `isSo`, and says whether that has come. */
export async function comes(
  isSo: () => boolean,
  limit: number,
): Promise<boolean> {
  const deadline = realNow() + limit;
  while (!isSo()) {
    if (realNow() > deadline) return false;
    await pause(1);
  }
  return true;
}

/** Counts how often this thread stood still for longer than `limit` milliseconds. */
export class Standstills implements Disposable {
  /** How often so far. */
  count = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(limit: number) {
    let last = realNow();
    this.#timer = setInterval(() => {
      const now = realNow();
      if (now - last > limit) this.count++;
      last = now;
    }, limit / 10);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
