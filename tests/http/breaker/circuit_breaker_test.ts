import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  CircuitBreaker,
  CircuitOpenError,
  CircuitState,
  HTTPStatusError,
} from "../../../http/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const down = () => Promise.reject(new Error("down"));
const up = () => Promise.resolve("up");

async function fail(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    await breaker.call(down).catch(() => {});
  }
}

Deno.test("CircuitBreaker opens after failureThreshold failures in a row and a success starts the count anew", async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 3 });
  await fail(breaker, 2);
  await breaker.call(up);
  await fail(breaker, 2);
  assertEquals(breaker.state, CircuitState.CLOSED);
  await fail(breaker, 1);
  assertEquals(breaker.state, CircuitState.OPEN);
  let called = false;
  const error = await assertRejects(
    () => breaker.call(() => called = true),
    CircuitOpenError,
  );
  assert(!called);
  assert(error.retryAfter > 59_000 && error.retryAfter <= 60_000);
});

Deno.test("CircuitBreaker goes through every state as time passes", async () => {
  using clock = new FakeClock();
  const changes: string[] = [];
  const breaker = new CircuitBreaker({
    failureThreshold: 1,
    recoveryTimeout: 1000,
    successThreshold: 2,
    name: "db",
    onStateChange: ({ from, to, name }) =>
      changes.push(`${name}: ${from} > ${to}`),
  });
  await fail(breaker, 1);
  await clock.tick(999);
  await assertRejects(() => breaker.call(up), CircuitOpenError);
  await clock.tick(1);
  assertEquals(breaker.state, CircuitState.HALF_OPEN);
  await fail(breaker, 1);
  assertEquals(breaker.state, CircuitState.OPEN);
  await clock.tick(1000);
  await breaker.call(up);
  assertEquals(breaker.state, CircuitState.HALF_OPEN);
  await breaker.call(up);
  assertEquals(breaker.state, CircuitState.CLOSED);
  assertEquals(changes, [
    "db: closed > open",
    "db: open > half-open",
    "db: half-open > open",
    "db: open > half-open",
    "db: half-open > closed",
  ]);
});

Deno.test("CircuitBreaker lets halfOpenMax of 100 concurrent callers through while half-open", async () => {
  using clock = new FakeClock();
  const breaker = new CircuitBreaker({
    failureThreshold: 1,
    recoveryTimeout: 10,
    halfOpenMax: 3,
    successThreshold: 3,
  });
  await fail(breaker, 1);
  await clock.tick(10);
  const gates: (() => void)[] = [];
  const results = Array.from(
    { length: 100 },
    () =>
      breaker.call(() => new Promise<void>((resolve) => gates.push(resolve)))
        .then(() => "passed", (error) => error.name),
  );
  await clock.settle();
  assertEquals(gates.length, 3);
  for (const open of gates) open();
  const all = await Promise.all(results);
  assertEquals(all.filter((result) => result === "passed").length, 3);
  assertEquals(
    all.filter((result) => result === "CircuitOpenError").length,
    97,
  );
  assertEquals(breaker.state, CircuitState.CLOSED);
});

Deno.test("CircuitBreaker ignores late results of calls begun before the trip", async () => {
  using clock = new FakeClock();
  for (const late of ["success", "failure"] as const) {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      recoveryTimeout: 10,
      successThreshold: 1,
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const pending = breaker.call(() => promise).catch(() => {});
    await fail(breaker, 1);
    await clock.tick(10);
    const probe = Promise.withResolvers<string>();
    const probing = breaker.call(() => probe.promise);
    if (late === "success") resolve("late");
    else reject(new Error("late"));
    await pending;
    assertEquals(breaker.state, CircuitState.HALF_OPEN);
    // The late call's end has not freed the probe's place either.
    await assertRejects(() => breaker.call(up), CircuitOpenError);
    probe.resolve("up");
    await probing;
    assertEquals(breaker.state, CircuitState.CLOSED);
  }
});

Deno.test("CircuitBreaker with a window trips by the rate, once minimumCalls were made", async () => {
  using clock = new FakeClock();
  const breaker = new CircuitBreaker({
    window: { duration: 1000, failureRate: 0.5, minimumCalls: 10 },
  });
  await fail(breaker, 9);
  assertEquals(breaker.state, CircuitState.CLOSED);
  await clock.tick(2000);
  for (let call = 0; call < 8; call++) await breaker.call(up);
  await fail(breaker, 7);
  assertEquals(breaker.state, CircuitState.CLOSED);
  await fail(breaker, 1);
  assertEquals(breaker.state, CircuitState.OPEN);
});

Deno.test("CircuitBreaker with a window has forgotten the failures that opened it when it closes", async () => {
  using clock = new FakeClock();
  const breaker = new CircuitBreaker({
    recoveryTimeout: 1,
    successThreshold: 1,
    window: { duration: 100_000, failureRate: 0.5, minimumCalls: 4 },
  });
  await fail(breaker, 4);
  await clock.tick(1);
  await breaker.call(up);
  await fail(breaker, 3);
  assertEquals(breaker.state, CircuitState.CLOSED);
  await fail(breaker, 1);
  assertEquals(breaker.state, CircuitState.OPEN);
});

Deno.test("CircuitBreaker is unmoved when the wall clock is set back an hour", async () => {
  const wall = Date.now;
  const monotonic = performance.now;
  let time = 0;
  performance.now = () => time;
  try {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      recoveryTimeout: 1000,
    });
    await fail(breaker, 1);
    Date.now = () => wall() - 3_600_000;
    time = 999;
    assertEquals(breaker.state, CircuitState.OPEN);
    time = 1000;
    assertEquals(await breaker.call(up), "up");
  } finally {
    Date.now = wall;
    performance.now = monotonic;
  }
});

Deno.test("CircuitBreaker takes aborts and 4xx for no failures, 429 and 408 by choice", async () => {
  const status = (status: number) => () =>
    Promise.reject(
      new HTTPStatusError({
        response: new Response(null, { status }),
        method: "GET",
        url: "http://h/",
      }),
    );
  const breaker = new CircuitBreaker({ failureThreshold: 1 });
  for (const code of [400, 404, 408, 429]) {
    await breaker.call(status(code)).catch(() => {});
  }
  await breaker.call(() =>
    Promise.resolve(new Response(null, { status: 429 }))
  );
  await breaker.call(() =>
    Promise.reject(new DOMException("stop", "AbortError"))
  ).catch(() => {});
  const controller = new AbortController();
  const reason = new Error("mine");
  const pending = breaker.call(
    () =>
      new Promise((_, reject) =>
        controller.signal.addEventListener("abort", () => reject(reason))
      ),
    controller,
  );
  controller.abort(reason);
  assertStrictEquals(await pending.catch((error) => error), reason);
  assertEquals(breaker.state, CircuitState.CLOSED);
  const strict = new CircuitBreaker({
    failureThreshold: 1,
    isFailure: (outcome) =>
      outcome instanceof Response && [408, 429].includes(outcome.status),
  });
  await strict.call(() => new Response(null, { status: 429 }));
  assertEquals(strict.state, CircuitState.OPEN);
  await breaker.call(() => new Response(null, { status: 500 }));
  assertEquals(breaker.state, CircuitState.OPEN);
});

Deno.test("CircuitBreaker frees the place of an aborted probe and stays half-open", async () => {
  using clock = new FakeClock();
  const breaker = new CircuitBreaker({
    failureThreshold: 1,
    recoveryTimeout: 10,
    successThreshold: 1,
  });
  await fail(breaker, 1);
  await clock.tick(10);
  const controller = new AbortController();
  const probe = breaker.call(
    () =>
      new Promise((_, reject) =>
        controller.signal.addEventListener(
          "abort",
          () => reject(controller.signal.reason),
        )
      ),
    controller,
  );
  controller.abort();
  await probe.catch(() => {});
  assertEquals(breaker.state, CircuitState.HALF_OPEN);
  await breaker.call(up);
  assertEquals(breaker.state, CircuitState.CLOSED);
});

Deno.test("CircuitBreaker works on when onStateChange throws, and reports it", async () => {
  const reported: unknown[] = [];
  const { error } = console;
  console.error = (...values: unknown[]) => void reported.push(values);
  try {
    const breaker = new CircuitBreaker({
      failureThreshold: 1,
      onStateChange: () => {
        throw new Error("listener");
      },
    });
    await fail(breaker, 1);
    assertEquals(breaker.state, CircuitState.OPEN);
    breaker.reset();
    assertEquals(await breaker.call(up), "up");
  } finally {
    console.error = error;
  }
  assertEquals(reported.length, 2);
});

Deno.test("CircuitBreaker.perOrigin() keeps origins apart and forgets idle ones, but none that is open", async () => {
  using clock = new FakeClock();
  const breakers = CircuitBreaker.perOrigin({
    failureThreshold: 1,
    idleTimeout: 1000,
  });
  await fail(breakers.get("http://a"), 1);
  assertEquals(breakers.get("http://a").state, CircuitState.OPEN);
  assertEquals(breakers.get("http://b").state, CircuitState.CLOSED);
  breakers.get("http://c");
  breakers.get("http://d");
  assertEquals(breakers.size, 4);
  await clock.tick(2000);
  breakers.get("http://e");
  // One that is open still protects.
  assertEquals([...breakers].map(([origin]) => origin), [
    "http://a",
    "http://e",
  ]);
});

Deno.test("CircuitBreaker.perOrigin() keeps no more than 10,000 origins, whoever names them, and lets the one unused longest go", async () => {
  using clock = new FakeClock();
  const breakers = CircuitBreaker.perOrigin();
  const first = breakers.get("http://0");
  await clock.tick(1);
  for (let host = 1; host < 10_000; host++) breakers.get(`http://${host}`);
  await clock.tick(1);
  assertStrictEquals(breakers.get("http://0"), first);
  const second = breakers.get("http://1");
  await clock.tick(1);
  for (const host of ["http://a", "http://b", "http://c"]) breakers.get(host);
  assertEquals(breakers.size, 10_000);
  assertStrictEquals(breakers.get("http://0"), first);
  assertStrictEquals(breakers.get("http://1"), second);
});

Deno.test("CircuitBreaker.trip() and reset() move it at once", () => {
  const breaker = new CircuitBreaker();
  breaker.trip();
  assertEquals(breaker.state, CircuitState.OPEN);
  assertThrows(() => breaker.enter(), CircuitOpenError);
  breaker.reset();
  assertEquals(breaker.state, CircuitState.CLOSED);
});

Deno.test("CircuitBreaker names the option that is wrong", () => {
  for (
    const [options, message] of [
      [
        { failureThreshold: 0 },
        "failureThreshold must be a positive integer, got 0",
      ],
      [
        { recoveryTimeout: -1 },
        "recoveryTimeout must be a non-negative number of milliseconds (Infinity for none), got -1",
      ],
      [
        { successThreshold: 1.5 },
        "successThreshold must be a positive integer, got 1.5",
      ],
      [{ halfOpenMax: 0 }, "halfOpenMax must be a positive integer, got 0"],
      [
        { window: { duration: 0, failureRate: 0.5 } },
        "window.duration must be a positive, finite number of milliseconds, got 0",
      ],
      [{ window: { duration: 1, failureRate: 2 } }, "window.failureRate"],
    ] as const
  ) {
    assertThrows(() => new CircuitBreaker(options), RangeError, message);
  }
  assertThrows(
    () => CircuitBreaker.perOrigin({ halfOpenMax: -3 }),
    RangeError,
    "halfOpenMax",
  );
});
