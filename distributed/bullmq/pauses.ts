/**
 * BullMQ's pauses after a failure, made to end when who pauses is closed: its own are slept out,
 * and hold the process for as long.
 *
 * @module
 */

/** How long BullMQ pauses in its loops, which go on for as long as they are wanted. */
const AFTER_FAILURE = 5000;

/** The pauses of one owner. */
export class Pauses {
  // Invariant: #pausing holds those who pause, each with a timer; nobody does after `end`.
  readonly #pausing = new Set<() => void>();
  #isOver = false;

  /** Resolves after so many milliseconds, or at the end of all pauses. */
  pause(milliseconds: number): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const goOn = () => {
        clearTimeout(timer);
        this.#pausing.delete(goOn);
        resolve();
      };
      const timer = setTimeout(goOn, milliseconds);
      this.#pausing.add(goOn);
    });
  }

  /**
   * Does `work`, and pauses if it fails.
   *
   * @param guard What BullMQ does with a failure besides pausing.
   */
  async afterFailure<T>(
    work: () => Promise<T>,
    guard: (work: () => Promise<T>) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    let hasFailed = false;
    const result = await guard(async () => {
      try {
        return await work();
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    });
    if (hasFailed) await this.pause(AFTER_FAILURE);
    return result;
  }

  /** Ends them all. */
  end(): void {
    this.#isOver = true;
    for (const goOn of this.#pausing) goOn();
  }
}
