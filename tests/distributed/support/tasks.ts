/**
 * Tasks that the tests run, in this process and in others.
 *
 * @module
 */
import { defineTask } from "@specify/async-distributed";

/** Waits for so many milliseconds, or until the signal aborts. */
export function pause(milliseconds: number, signal?: AbortSignal) {
  return new Promise<void>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Waits until something is so; for what other processes do. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what = "a condition",
  within = 60_000,
): Promise<void> {
  const end = performance.now() + within;
  while (!await isSo()) {
    if (performance.now() > end) {
      throw new Error(`${what} did not come about within ${within} ms`);
    }
    await pause(5);
  }
}

/** The square of a number. */
export const square = defineTask("square", (n: number) => n * n);

/** What it was given. */
export const echo = defineTask("echo", (value: unknown) => value);

/** Waits, then gives what it was given. */
export const slow = defineTask(
  "slow",
  async (input: { ms: number; value?: unknown }, { signal }) => {
    await pause(input.ms, signal);
    return input.value;
  },
);

/** Fails as it is told. */
export const failing = defineTask("failing", (message: string): number => {
  throw new RangeError(message);
});

/** Notes in a file that it ran, waits, and gives the id of its process. */
export const noted = defineTask(
  "noted",
  async (input: { file: string; id: number; ms: number }, { signal }) => {
    await Deno.writeTextFile(input.file, `${input.id} ${Deno.pid}\n`, {
      append: true,
    });
    if (input.ms > 0) await pause(input.ms, signal);
    return Deno.pid;
  },
);

/** Ends its process. */
export const deadly = defineTask("deadly", (_input: null) => {
  Deno.exit(1);
});

/** Blocks its event loop. */
export const blocking = defineTask(
  "blocking",
  (input: { file: string; ms: number }) => {
    Deno.writeTextFileSync(input.file, `${Deno.pid}\n`, { append: true });
    const end = performance.now() + input.ms;
    while (performance.now() < end);
    return Deno.pid;
  },
);

/** All of them. */
export const tasks = [square, echo, slow, failing, noted, deadly, blocking];
