/**
 * CPU work for a worker thread: see `one_scheduler.ts`.
 *
 * @module
 */

/** How many primes there are below `limit`, counted the slow way. */
export function countPrimes(limit: number): number {
  let count = 0;
  candidates: for (let n = 2; n < limit; n++) {
    for (let divisor = 2; divisor * divisor <= n; divisor++) {
      if (n % divisor === 0) continue candidates;
    }
    count++;
  }
  return count;
}
