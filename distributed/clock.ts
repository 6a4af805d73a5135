/**
 * Time that machines share. Their clocks differ and may be set, so what travels is a point on the
 * store's clock, and each side knows how far that is from its own monotonic one.
 *
 * @module
 */
import { timeoutError } from "@specify/async-core/host";
import type { Engine } from "./engine.ts";

/** The store's clock minus `performance.now()`. Half of the way there and back is taken off. */
export async function storeTimeOffset(engine: Engine): Promise<number> {
  const before = performance.now();
  const now = await engine.now();
  return now - (before + performance.now()) / 2;
}

/** The error of a task whose deadline has passed. */
export function deadlineError(task: string): DOMException {
  return timeoutError(`Task ${task} did not end before its deadline`);
}
