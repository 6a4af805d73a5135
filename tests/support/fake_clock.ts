/**
 * Fake time for everything that measures time: FakeTime fakes Date and the timers, this also
 * stubs `performance.now()`, so that durations and timers agree.
 *
 * @module
 */
import { FakeTime } from "@std/testing/time";

/** `using clock = new FakeClock()`, then `await clock.tick(ms)`. */
export class FakeClock implements Disposable {
  readonly #time = new FakeTime();
  readonly #realNow = performance.now;

  constructor() {
    const start = this.#time.now;
    // Whole: with a fraction, `now() + 500 - now()` is a hair above 500 at times, and whoever
    // rounds a delay up waits 501.
    const base = Math.ceil(this.#realNow.call(performance));
    performance.now = () => base + (this.#time.now - start);
  }

  /** The FakeTime underneath. */
  get time(): FakeTime {
    return this.#time;
  }

  /** Lets pending promise reactions run, moves time on, and lets the reactions of timers run. */
  async tick(ms = 0): Promise<void> {
    await this.settle();
    await this.#time.tickAsync(ms);
    await this.settle();
  }

  /** Lets pending promise reactions run without moving time. */
  async settle(): Promise<void> {
    for (let round = 0; round < 20; round++) await Promise.resolve();
    await this.#time.runMicrotasks();
  }

  [Symbol.dispose](): void {
    performance.now = this.#realNow;
    this.#time.restore();
  }
}
