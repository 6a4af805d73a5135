/**
 * What is printed on `console.error`, for tests of reports.
 *
 * @module
 */

import type { FakeClock } from "./fake_clock.ts";

/** `using console = new CapturedConsole()`: nothing is printed until it is disposed. */
export class CapturedConsole implements Disposable {
  readonly #print = console.error;
  #lines: string[] = [];

  constructor() {
    console.error = (...values: unknown[]) => {
      this.#lines.push(values.join(" "));
    };
  }

  /** The lines since the last call. */
  take(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  [Symbol.dispose](): void {
    console.error = this.#print;
  }
}

let hours = 0;

/** Moves time on so far that no line that another test has printed holds back those of this one. */
export async function later(clock: FakeClock): Promise<void> {
  await clock.tick(++hours * 3_600_000);
}

/** How far the clock of `captureReports` is ahead. It never goes back to before an earlier line. */
let ahead = 0;

/**
 * The lines that are reported on the console, while it is in use, instead of being printed. Its clock
 * jumps on by a second after each, so that none is held back for the sake of another.
 */
export function captureReports(): Disposable & { readonly lines: string[] } {
  const lines: string[] = [];
  const { error: consoleError } = console;
  const { now } = performance;
  ahead += 1000;
  performance.now = () => now.call(performance) + ahead;
  console.error = (...values: unknown[]) => {
    lines.push(values.join(" "));
    ahead += 1000;
  };
  return {
    lines,
    [Symbol.dispose]: () => {
      console.error = consoleError;
      performance.now = now;
    },
  };
}
