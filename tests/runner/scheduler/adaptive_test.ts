/**
 * TaskScheduler: the adaptive limit, by a simulated service whose latency depends on its load.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type AdaptiveOptions, TaskScheduler } from "../../../runner/mod.ts";
import { AdaptiveLimit } from "../../../runner/scheduler/adaptive_limit.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { HeldTask, microtasks } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { randomNumbers } from "../../support/random.ts";

/** Calls of a service that serves `capacity` at once without delay, and queues beyond that. */
class Service {
  capacity = 20;
  latency = 20;
  inFlight = 0;
  readonly #random = randomNumbers(7);

  readonly call = async (): Promise<void> => {
    this.inFlight++;
    const load = Math.max(1, this.inFlight / this.capacity);
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(resolve, this.latency * load * (0.9 + 0.2 * this.#random()));
    await promise;
    this.inFlight--;
  };
}

/** Keeps `callers` calls going for `duration` ms of fake time; returns the lowest limit seen. */
async function load(
  clock: FakeClock,
  scheduler: TaskScheduler,
  service: Service,
  callers: number,
  duration: number,
): Promise<number> {
  let lowest = Infinity;
  const end = performance.now() + duration;
  const call = async () => {
    while (performance.now() < end) await scheduler.submit(service.call);
  };
  const done = Promise.all(Array.from({ length: callers }, call));
  while (performance.now() < end || scheduler.running + scheduler.size > 0) {
    clock.time.tick(5);
    await macrotask();
    lowest = Math.min(lowest, scheduler.maxConcurrent);
  }
  await done;
  return lowest;
}

function simulate(adaptive: true | AdaptiveOptions, maxConcurrent = 10) {
  return {
    scheduler: new TaskScheduler({ adaptive, maxConcurrent }),
    service: new Service(),
  };
}

Deno.test("adaptive grows under load while latency stays, and settles in {min, max}", async () => {
  using clock = new FakeClock();
  const { scheduler, service } = simulate({ min: 2, max: 60 });
  await load(clock, scheduler, service, 100, 3000);
  const grown = scheduler.maxConcurrent;
  assert(grown > 15, `${grown}`);
  assert(grown <= 60, `${grown}`);
});

Deno.test("adaptive does not grow while less than half of it is used", async () => {
  using clock = new FakeClock();
  const { scheduler, service } = simulate(true, 10);
  await load(clock, scheduler, service, 4, 3000);
  assertEquals(scheduler.maxConcurrent, 10);
});

Deno.test("adaptive shrinks when latency doubles and more, and grows back", async () => {
  using clock = new FakeClock();
  const { scheduler, service } = simulate({ max: 40 }, 20);
  await load(clock, scheduler, service, 60, 2000);
  const before = scheduler.maxConcurrent;
  service.latency = 60;
  const after = await load(clock, scheduler, service, 60, 300);
  assert(after < before * 0.6, `${before} became ${after}`);
  service.latency = 20;
  await load(clock, scheduler, service, 60, 4000);
  assert(scheduler.maxConcurrent > after, `${scheduler.maxConcurrent}`);
});

Deno.test("adaptive recovers after a burst of time-outs, and stays at min meanwhile", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const { scheduler, service } = simulate({ min: 3, max: 40 }, 20);
  const held = new HeldTask();
  for (let round = 0; round < 60; round++) {
    const handle = scheduler.submit(
      (context) =>
        new Promise<void>((resolve) => {
          context.signal.addEventListener("abort", () => resolve());
        }),
      { timeout: 10 },
    );
    const outcome = handle.catch((error) => error.name);
    await microtasks();
    clock.time.tick(10);
    await macrotask();
    assertEquals(await outcome, "TimeoutError");
  }
  assertEquals(scheduler.maxConcurrent, 3);
  held.end();
  await load(clock, scheduler, service, 60, 4000);
  assert(scheduler.maxConcurrent > 10, `${scheduler.maxConcurrent}`);
});

Deno.test("adaptive: plain failures do not move the limit", async () => {
  await using _ = nothingLeft();
  using _clock = new FakeClock();
  const { scheduler } = simulate(true, 4);
  for (let index = 0; index < 200; index++) {
    await scheduler.submit(() => Promise.reject(new Error("no"))).catch(() =>
      0
    );
  }
  assertEquals(scheduler.maxConcurrent, 4);
});

Deno.test("adaptive: maxConcurrent sets where it goes on from, within the bounds", () => {
  const { scheduler } = simulate({ min: 2, max: 8 }, 100);
  assertEquals(scheduler.maxConcurrent, 8);
  scheduler.maxConcurrent = 5;
  assertEquals(scheduler.maxConcurrent, 5);
  scheduler.maxConcurrent = 1;
  assertEquals(scheduler.maxConcurrent, 2);
});

Deno.test("adaptive: a weight is refused only when the limit can never grow to it", async () => {
  await using _ = nothingLeft();
  const { scheduler } = simulate({ min: 1, max: 8 }, 2);
  assertEquals(await scheduler.submit(() => "heavy", { weight: 8 }), "heavy");
  try {
    void scheduler.submit(() => 1, { weight: 9 });
  } catch (error) {
    assert(error instanceof RangeError);
    return;
  }
  assert(false, "it was accepted");
});

Deno.test("AdaptiveLimit stays in its bounds whatever latencies it is told", () => {
  const random = randomNumbers(3);
  const limit = new AdaptiveLimit({ min: 3, max: 50 }, 10);
  for (let index = 0; index < 20_000; index++) {
    if (random() < 0.05) limit.timedOut();
    else limit.succeeded(random() < 0.1 ? 0 : random() * 1000, random() * 60);
    assert(limit.limit >= 3 && limit.limit <= 50);
    assert(Number.isInteger(limit.limit));
  }
});
