/**
 * Counts the calls of Math.random from the moment that this module is imported: before the module
 * whose import is looked at.
 *
 * @module
 */

const { random } = Math;
let count = 0;
Math.random = () => {
  count++;
  return random();
};

/** How often Math.random was called. */
export function randomCalls(): number {
  return count;
}
