import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  AsyncHTTPClient,
  CircuitBreaker,
  hedge,
  RetryBudget,
  RetryError,
  RetryPolicy,
  withRetry,
} from "../../../http/mod.ts";
import {
  parseHTTPDate,
  parseRetryAfter,
} from "../../../http/retry/retry_after.ts";
import {
  decideRetry,
  type RetryQuestion,
} from "../../../http/retry/retry_decision.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { serve } from "../../support/http_servers.ts";
import { testWith } from "../../support/permissions.ts";

const question: RetryQuestion = {
  attempt: 1,
  method: "GET",
  transient: true,
  idempotencyKey: false,
  replayable: true,
  budgetLeft: true,
  timeLeft: Infinity,
  circuitOpenFor: 0,
  previousDelay: undefined,
  random: 0.5,
  wallClock: Date.UTC(2026, 0, 1),
};

Deno.test("decideRetry() follows its table", () => {
  const policy = new RetryPolicy({ jitter: "none" });
  const status = { transient: false, status: 503 };
  const table: [Partial<RetryQuestion>, unknown][] = [
    [{}, 1000],
    [{ attempt: 3 }, 4000],
    [{ attempt: 4 }, "attempts"],
    [{ transient: false }, "outcome"],
    [status, 1000],
    [{ ...status, status: 404 }, "outcome"],
    [{ ...status, status: 404, wanted: true }, 1000],
    [{ ...status, wanted: false }, "outcome"],
    [{ wanted: false }, "outcome"],
    [{ method: "POST" }, "method"],
    [{ method: "POST", wanted: true }, "method"],
    [{ method: "POST", asked: true }, 1000],
    [{ method: "POST", idempotencyKey: true }, 1000],
    [{ method: undefined }, 1000],
    [{ replayable: false }, "body"],
    [{ replayable: false, attempt: 4 }, "body"],
    [{ timeLeft: 1001 }, 1000],
    [{ timeLeft: 1000 }, "time"],
    [{ circuitOpenFor: 1001 }, "circuit"],
    [{ circuitOpenFor: 1000 }, 1000],
    [{ budgetLeft: false }, "budget"],
    [{ ...status, retryAfter: "7" }, 7000],
    [{ ...status, retryAfter: "0" }, 0],
    [{ ...status, retryAfter: "60" }, 60_000],
    [{ ...status, retryAfter: "7", timeLeft: 5000 }, "time"],
    [{ ...status, retryAfter: "4294967" }, 4_294_967_000],
    [{ ...status, retryAfter: "-1" }, 1000],
    [{ ...status, retryAfter: "0x10" }, 1000],
    [{ ...status, retryAfter: "soon" }, 1000],
    [{ ...status, retryAfter: "Thu, 01 Jan 2026 00:00:30 GMT" }, 30_000],
    [{ ...status, retryAfter: "Thu, 01 Jan 1970 00:00:00 GMT" }, 0],
  ];
  for (const [change, expected] of table) {
    const decision = decideRetry(policy, { ...question, ...change });
    assertEquals(
      decision.retry ? decision.delay : decision.because,
      expected,
      JSON.stringify(change),
    );
  }
  assertEquals(
    decideRetry(new RetryPolicy({ jitter: "none", respectRetryAfter: false }), {
      ...question,
      ...status,
      retryAfter: "7",
    }),
    { retry: true, delay: 1000 },
  );
});

Deno.test("parseRetryAfter() reads seconds and the three forms of HTTP dates, leap seconds too", () => {
  const now = Date.UTC(2026, 5, 30, 23, 59, 0);
  for (
    const date of [
      "Tue, 30 Jun 2026 23:59:30 GMT",
      "Tuesday, 30-Jun-26 23:59:30 GMT",
      "Tue Jun 30 23:59:30 2026",
    ]
  ) {
    assertEquals(parseRetryAfter(date, now), 30_000, date);
  }
  assertEquals(parseRetryAfter("Tue, 30 Jun 2026 23:59:60 GMT", now), 60_000);
  assertEquals(parseRetryAfter(" 12 ", now), 12_000);
  for (
    const nothing of [
      "",
      "-5",
      "1.5",
      "0x10",
      "1e3",
      "tomorrow",
      "Tue, 31 Feb 2026 00:00:00 GMT",
      "Tue, 30 Jun 2026 24:00:00 GMT",
    ]
  ) {
    assertEquals(parseRetryAfter(nothing, now), undefined, nothing);
  }
  assertEquals(
    parseHTTPDate("Sunday, 06-Nov-94 08:49:37 GMT", now),
    Date.UTC(1994, 10, 6, 8, 49, 37),
  );
  assertEquals(
    parseHTTPDate("Sun Nov  6 08:49:37 1994", now),
    Date.UTC(1994, 10, 6, 8, 49, 37),
  );
});

Deno.test("RetryPolicy.getBackoffDelay() grows by the factor and stays at maxDelay, at attempt 2,000 too", () => {
  const policy = new RetryPolicy();
  assertEquals(
    [0, 1, 2, 4, 5, 2000].map((attempt) => policy.getBackoffDelay(attempt)),
    [1000, 2000, 4000, 16000, 30000, 30000],
  );
  assertEquals(new RetryPolicy({ baseDelay: 0 }).getBackoffDelay(2000), 0);
});

Deno.test("RetryPolicy.getJitteredDelay() stays within its bounds", () => {
  fc.assert(
    fc.property(
      fc.nat(3000),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      fc.integer({ min: 1, max: 60_000 }),
      (attempt, random, previous) => {
        const full = new RetryPolicy({ jitter: "full" });
        const delay = full.getJitteredDelay(attempt, previous, random);
        assert(delay >= 0 && delay <= full.getBackoffDelay(attempt));
        const decorrelated = new RetryPolicy({ jitter: "decorrelated" })
          .getJitteredDelay(attempt, previous, random);
        assert(
          decorrelated >= 1000 &&
            decorrelated <= Math.min(30_000, Math.max(1000, previous * 3)),
        );
      },
    ),
    { numRuns: 200, seed: 7 },
  );
});

Deno.test("RetryPolicy names the option that is wrong", () => {
  for (
    const [options, message] of [
      [
        { maxRetries: -1 },
        "maxRetries must be a non-negative integer or Infinity, got -1",
      ],
      [{ backoffFactor: 0.5 }, "backoffFactor must be a number from 1"],
      [{ baseDelay: -1 }, "baseDelay must be"],
      [{ maxDelay: NaN }, "maxDelay must be"],
      [
        { jitter: "some" as "full" },
        'jitter must be one of "full", "decorrelated", "none", got "some"',
      ],
      [{ retryStatuses: [42] }, "retryStatuses must be"],
      [
        { budget: { ratio: 2 } },
        "budget.ratio must be a number from 0 to 1, got 2",
      ],
    ] as const
  ) {
    assertThrows(() => new RetryPolicy(options), RangeError, message);
  }
  assertThrows(
    () => new RetryPolicy({ retryOn: 1 as never }),
    TypeError,
    "retryOn must be a function, got 1",
  );
});

testWith(
  ["env"],
  "RetryPolicy takes maxRetries from SPECIFY_ASYNC_RETRY_MAX, and refuses a value that is no number",
  () => {
    try {
      Deno.env.set("SPECIFY_ASYNC_RETRY_MAX", "7");
      assertEquals(new RetryPolicy().maxRetries, 7);
      Deno.env.set("SPECIFY_ASYNC_RETRY_MAX", "many");
      assertThrows(
        () => new RetryPolicy(),
        RangeError,
        'SPECIFY_ASYNC_RETRY_MAX must be a whole number of at least 0, got "many"',
      );
    } finally {
      Deno.env.delete("SPECIFY_ASYNC_RETRY_MAX");
    }
  },
);

Deno.test("withRetry() tries until success, and RetryError holds every failure", async () => {
  using clock = new FakeClock();
  const policy = new RetryPolicy({ jitter: "none" });
  const starts: number[] = [];
  const begin = performance.now();
  const pending = withRetry(({ attempt }) => {
    starts.push(Math.round(performance.now() - begin));
    throw new Error(`failure ${attempt}`);
  }, policy).catch((error) => error);
  await clock.tick(1000);
  await clock.tick(2000);
  await clock.tick(4000);
  const error = await pending;
  assert(error instanceof RetryError);
  assertEquals(error.errors.map((each) => each.message), [
    "failure 1",
    "failure 2",
    "failure 3",
    "failure 4",
  ]);
  assertEquals([error.attempts, (error.cause as Error).message], [
    4,
    "failure 4",
  ]);
  assertEquals(starts, [0, 1000, 3000, 7000]);
  assertEquals(await withRetry(() => 5, policy), 5);
});

Deno.test("withRetry() rejects at once with the caller's reason when aborted while it waits", async () => {
  using clock = new FakeClock();
  const controller = new AbortController();
  const reason = new Error("enough");
  const pending = withRetry(
    () => Promise.reject(new Error("down")),
    {},
    controller,
  ).catch((error) => error);
  await clock.settle();
  controller.abort(reason);
  assertStrictEquals(await pending, reason);
});

Deno.test("withRetry() waits out a Retry-After above 2^31 ms, which a timer would take for none", async () => {
  using clock = new FakeClock();
  let attempts = 0;
  const call = withRetry(() => {
    const headers = { "retry-after": "3000000" };
    return ++attempts === 1
      ? new Response(null, { status: 503, headers })
      : new Response("ok");
  }, {});
  await clock.tick(2 ** 31 + 10);
  assertEquals(attempts, 1);
  await clock.tick(3_000_000_000 - 2 ** 31);
  assertEquals([(await call).status, attempts], [200, 2]);
});

Deno.test("RetryBudget forgets what is older than its window", async () => {
  using clock = new FakeClock();
  const budget = new RetryBudget({ ratio: 0.5, minimum: 1, window: 1000 });
  assert(budget.withdraw());
  assert(!budget.withdraw());
  await clock.tick(1000);
  assert(budget.withdraw());
  for (let call = 0; call < 10; call++) budget.deposit();
  assertEquals(budget.available, 4);
  await clock.tick(1000);
  assertEquals(budget.available, 1);
});

Deno.test("withRetry() counts its successes in the budget, and seldom reads the clock for it", async () => {
  using clock = new FakeClock();
  const policy = new RetryPolicy({
    maxRetries: 1,
    baseDelay: 0,
    budget: { ratio: 0.5, minimum: 0, window: 1000 },
  });
  const { now } = performance;
  let reads = 0;
  performance.now = () => {
    reads++;
    return now();
  };
  for (let call = 0; call < 1000; call++) await withRetry(() => 1, policy);
  performance.now = now;
  assert(reads < 80, `${reads} reads`);
  assertEquals(policy.budget?.available, 500);
  await clock.tick(1000);
  assertEquals(policy.budget?.available, 0);
  // After a pause it is never too generous, and at most 15 calls behind.
  for (let call = 0; call < 100; call++) await withRetry(() => 1, policy);
  const available = policy.budget?.available ?? 0;
  assert(available >= 42 && available <= 50, `${available}`);
});

Deno.test("withRetry(), hedge() and the breaker name what is wrong", async () => {
  const given = 5 as never;
  const named = async (call: () => unknown, message: string) => {
    await assertRejects(async () => await call(), TypeError, message);
  };
  const fn = () => 1;
  await named(() => withRetry(fn, given), "options must be an object, got 5");
  await named(() => withRetry(fn, {}, given), "options must be an object");
  await named(
    () => withRetry(fn, {}, { signal: given }),
    "signal must be an AbortSignal, got 5",
  );
  await named(
    () => withRetry(fn, {}, { onRetry: given }),
    "onRetry must be a function, got 5",
  );
  await named(
    () => new CircuitBreaker().call(given),
    "fn must be a function, got 5",
  );
  await named(() => hedge(fn, undefined as never), "options must be an object");
  await named(
    () => hedge(fn, { delay: 1, signal: given }),
    "signal must be an AbortSignal, got 5",
  );
  await named(() => new CircuitBreaker(given), "options must be an object");
  await named(() => CircuitBreaker.perOrigin(given), "options must be an");
});

testWith(
  ["net"],
  "RetryPolicy's budget keeps an outage with 1,000 callers at 1.2 attempts a call",
  async () => {
    await using server = serve(() => new Response(null, { status: 503 }));
    await using client = new AsyncHTTPClient({
      // However long the thousand calls take here, they are within one window.
      retryPolicy: { baseDelay: 1, budget: { window: 600_000 } },
      maxConnections: 50,
    });
    const calls = Array.from({ length: 1000 }, () => client.get(server.url));
    for (const response of await Promise.all(calls)) {
      assertEquals(response.status, 503);
      await response.body?.cancel();
    }
    assert(
      server.requests.length <= 1200,
      `${server.requests.length} attempts`,
    );
    assert(
      server.requests.length >= 1150,
      `${server.requests.length} attempts`,
    );
  },
);
