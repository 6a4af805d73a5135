/**
 * Time that machines share. Their clocks differ, so a deadline travels as a point on the store's
 * clock, and each side knows how far its own is off.
 *
 * @module
 */
import type { Engine } from "./engine.ts";

/** Half of the way there and back is taken off. */
export async function clockOffset(engine: Engine): Promise<number> {
  const before = Date.now();
  const now = await engine.now();
  return now - (before + Date.now()) / 2;
}

/** The error of a task whose deadline has passed. */
export function deadlineError(task: string): DOMException {
  return new DOMException(
    `Task ${task} did not end before its deadline`,
    "TimeoutError",
  );
}
