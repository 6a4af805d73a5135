/**
 * Other times than those of `INTERVALS`, for a while.
 *
 * @module
 */
import { INTERVALS } from "../../../distributed/intervals.ts";

/** `using _ = withIntervals({ orphanAfter: 2_500 })`: what is made meanwhile has these. */
export function withIntervals(other: Partial<typeof INTERVALS>): Disposable {
  const before = { ...INTERVALS };
  Object.assign(INTERVALS, other);
  return { [Symbol.dispose]: () => Object.assign(INTERVALS, before) };
}
