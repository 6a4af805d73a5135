/**
 * What `breaker.call` and `withRetry` cost around a function that succeeds, beside cockatiel and
 * opossum. 10,000 calls each.
 *
 * @module
 */
import {
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleAll,
  retry,
} from "cockatiel";
import Opossum from "opossum";
import { CircuitBreaker, RetryPolicy, withRetry } from "../http/mod.ts";

const CALLS = 10_000;
const RUNS = { n: 20, warmup: 3 };
const work = async () => {
  await null;
  return 1;
};

/** `CALLS` calls, one after the other. */
async function repeat(call: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < CALLS; n++) await call();
}

const breaker = new CircuitBreaker();
const windowed = new CircuitBreaker({
  window: { duration: 10_000, failureRate: 0.5 },
});
const cockatielBreaker = circuitBreaker(handleAll, {
  halfOpenAfter: 60_000,
  breaker: new ConsecutiveBreaker(5),
});
const opossum = new Opossum(work, { timeout: false });

for (
  const [name, call] of Object.entries<() => Promise<unknown>>({
    "the bare function": work,
    "CircuitBreaker.call": () => breaker.call(work),
    "CircuitBreaker.call with a window": () => windowed.call(work),
    "cockatiel": () => cockatielBreaker.execute(work),
    "opossum": () => opossum.fire(),
  })
) {
  Deno.bench(
    {
      name,
      group: "breaker",
      baseline: name === "CircuitBreaker.call",
      ...RUNS,
    },
    async () => await repeat(call),
  );
}

const policy = new RetryPolicy();
const cockatielRetry = retry(handleAll, {
  maxAttempts: 3,
  backoff: new ExponentialBackoff(),
});

for (
  const [name, call] of Object.entries<() => Promise<unknown>>({
    "the bare function": work,
    "withRetry": () => withRetry(work, policy),
    "cockatiel": () => cockatielRetry.execute(work),
  })
) {
  Deno.bench(
    { name, group: "retry", baseline: name === "withRetry", ...RUNS },
    async () => await repeat(call),
  );
}
