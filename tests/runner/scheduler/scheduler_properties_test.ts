/**
 * TaskScheduler: random programs of submits, cancels, aborts, changes of priority and limits,
 * pauses, ends and failures, each checked against a simple model at every start and every step.
 *
 * @module
 */
import fc from "fast-check";
import {
  type OverflowPolicy,
  type SchedulerOptions,
  TaskPriority,
} from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { SchedulerModel, type Step } from "../../support/scheduler_model.ts";

/** Fixed, so that every run checks the same programs; any other value must hold as well. */
const SEED = 2026;

const priority = fc.constantFrom(...Object.values(TaskPriority));

const OUTERMOST = 2;

/** What the programs of a test use. */
interface Features {
  weights?: boolean;
  keys?: boolean;
  time?: boolean;
}

/** The programs' steps; `depth`: how deep a task may do things itself as it runs. */
function step(features: Features, depth = OUTERMOST): fc.Arbitrary<Step> {
  const { weights, keys, time } = features;
  const pick = fc.nat(1000);
  const submit = fc.record({
    type: fc.constant("submit" as const),
    priority,
    behaviour: fc.constantFrom(
      "held" as const,
      "held" as const,
      "held" as const,
      "returns" as const,
      "throws" as const,
      "resolves" as const,
      "rejects" as const,
    ),
    weight: weights ? fc.integer({ min: 1, max: 4 }) : fc.constant(1),
    key: keys ? fc.nat(3) : fc.constant(0),
    // 0 and 1 are signals, 2 is none.
    signal: fc.nat(4),
    timeout: time ? fc.constantFrom(0, 0, 0, 25) : fc.constant(0),
    deadline: time ? fc.constantFrom(0, 0, 0, 40) : fc.constant(0),
    inside: depth > 0
      ? fc.option(step(features, depth - 1), { freq: 3, nil: undefined })
      : fc.constant(undefined),
  });
  return fc.oneof(
    { weight: 12, arbitrary: submit },
    // Inside of a task there is nothing to wait for.
    {
      weight: depth === OUTERMOST ? 8 : 0,
      arbitrary: fc.constant({ type: "turn" as const }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("end" as const),
        pick,
        fails: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("cancel" as const), pick }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("setPriority" as const),
        pick,
        priority,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("abort" as const),
        signal: fc.nat(1),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("limit" as const),
        limit: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        { type: "pause" as const },
        { type: "resume" as const },
        { type: "resume" as const },
      ),
    },
    { weight: 1, arbitrary: fc.constant({ type: "clear" as const }) },
    {
      weight: time && depth === OUTERMOST ? 6 : 0,
      arbitrary: fc.record({
        type: fc.constant("tick" as const),
        ms: fc.constantFrom(1, 7, 10, 30),
      }),
    },
  );
}

/** Runs random programs on schedulers with these options. */
async function check(
  options: fc.Arbitrary<SchedulerOptions>,
  features: Features,
  numRuns = 200,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.array(step(features), { maxLength: 60, size: "max" }),
      async (options, steps) => {
        // Time stands still unless a step moves it, so that no run depends on the machine.
        using clock = new FakeClock();
        const model = new SchedulerModel(options, clock);
        await using _ = nothingLeft({ runner: model.scheduler });
        await model.run(steps);
      },
    ),
    { numRuns, seed: SEED },
  );
}

const maxConcurrent = fc.integer({ min: 1, max: 4 });

Deno.test("TaskScheduler keeps its promises through random programs", async () => {
  await check(fc.record({ maxConcurrent }), {}, 300);
});

Deno.test("TaskScheduler keeps its promises through random programs with weights", async () => {
  await check(fc.record({ maxConcurrent }), { weights: true });
});

Deno.test("TaskScheduler keeps its promises through random programs with limits by key", async () => {
  const maxPerKey = fc.integer({ min: 1, max: 2 });
  await check(fc.record({ maxConcurrent, maxPerKey }), { keys: true });
});

Deno.test("TaskScheduler keeps its promises through random programs with keys and weights", async () => {
  const maxPerKey = fc.integer({ min: 1, max: 2 });
  await check(fc.record({ maxConcurrent, maxPerKey }), {
    keys: true,
    weights: true,
  });
});

Deno.test("TaskScheduler keeps its promises through random programs with aging and time limits", async () => {
  await check(
    fc.record({ maxConcurrent, aging: fc.constantFrom(5, 20) }),
    { time: true },
  );
});

Deno.test("TaskScheduler keeps its promises through random programs with a rate limit", async () => {
  await check(
    fc.record({
      maxConcurrent,
      rateLimit: fc.record({
        limit: fc.integer({ min: 1, max: 3 }),
        interval: fc.constantFrom(10, 25),
      }),
    }),
    { time: true, weights: true },
  );
});

Deno.test("TaskScheduler keeps its promises through random programs with every overflow policy", async () => {
  await check(
    fc.record({
      maxConcurrent,
      maxQueue: fc.integer({ min: 0, max: 3 }),
      overflow: fc.constantFrom<OverflowPolicy>(
        "wait",
        "reject",
        "drop-oldest",
        "drop-lowest",
      ),
    }),
    {},
  );
});

Deno.test("TaskScheduler keeps its promises through random programs with everything at once", async () => {
  await check(
    fc.record({
      maxConcurrent,
      maxPerKey: fc.integer({ min: 1, max: 2 }),
      aging: fc.constant(20),
      maxQueue: fc.integer({ min: 1, max: 5 }),
      overflow: fc.constantFrom<OverflowPolicy>(
        "wait",
        "drop-oldest",
        "drop-lowest",
      ),
      rateLimit: fc.constant({ limit: 3, interval: 10 }),
    }),
    { time: true, keys: true, weights: true },
  );
});
