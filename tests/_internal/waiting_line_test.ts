/**
 * WaitingLine, beside an array.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { timers } from "../../_internal/timer_queue.ts";
import { Waiter, WaitingLine } from "../../_internal/waiting_line.ts";
import { abortListeners } from "../support/nothing_left.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { randomNumbers } from "../support/random.ts";

/** A signal that some of the waiters share, as long as it has not aborted. */
interface Shared {
  readonly controller: AbortController;
  readonly signal: AbortSignal;
}

function shared(): Shared {
  const controller = new AbortController();
  return { controller, signal: controller.signal };
}

/** One that waits, as the model sees it. */
interface Waiting {
  readonly id: number;
  readonly shared: Shared | undefined;
  readonly end: number;
}

const SIGNALS = 3;

const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        put: fc.constantFrom("wait" as const, "push" as const),
        signal: fc.option(fc.nat(SIGNALS - 1), { nil: undefined }),
        limit: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
      }),
    },
    { weight: 3, arbitrary: fc.constant("take" as const) },
    { weight: 1, arbitrary: fc.record({ refuse: fc.nat(10) }) },
    { weight: 1, arbitrary: fc.record({ abort: fc.nat(SIGNALS - 1) }) },
    { weight: 1, arbitrary: fc.constant("pass" as const) },
  ),
  { maxLength: 80, size: "max" },
);

Deno.test("WaitingLine serves whoever still waits, in order, and leaves no listener and no timer, whatever is put, taken, refused, aborted and expired", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      using clock = new FakeClock();
      const told: unknown[] = [];
      let leavers = 0;
      const line = new WaitingLine<string, number>(() => leavers++);
      const signals = Array.from({ length: SIGNALS }, shared);
      const all = [...signals];
      let model: Waiting[] = [];
      const expected: unknown[] = [];
      let refused = 0;
      let time = 0;
      let id = 0;
      const leave = (waiting: Waiting, outcome: string) => {
        model = model.filter((other) => other !== waiting);
        expected.push([waiting.id, outcome]);
        if (!outcome.startsWith("served")) refused++;
      };
      for (const step of steps) {
        if (step === "take") {
          const [first] = model;
          assertEquals(line.first?.item, first?.id);
          line.first?.resolve(`served in step ${expected.length}`);
          if (first) leave(first, `served in step ${expected.length}`);
        } else if (step === "pass") {
          await clock.tick(1);
          time++;
          for (const waiting of model) {
            if (waiting.end <= time) leave(waiting, "expired");
          }
        } else if ("put" in step) {
          id++;
          const own = step.signal === undefined
            ? undefined
            : signals[step.signal];
          const promise = step.put === "wait"
            ? line.wait(id, own?.signal)
            : new Promise<string>((resolve, reject) => {
              const waiter = new Waiter<string, number>(id, resolve, reject);
              line.push(waiter);
              if (own) waiter.listenTo(own.signal);
              if (step.limit) waiter.expireAfter(step.limit, () => "expired");
            });
          const mine = id;
          promise.then(
            (result) => told.push([mine, result]),
            (reason) => told.push([mine, reason]),
          );
          const limit = step.put === "push" && step.limit || Infinity;
          model.push({ id, shared: own, end: time + limit });
        } else if ("refuse" in step) {
          const waiting = model[step.refuse];
          let waiter = line.first;
          for (let n = 0; n < step.refuse; n++) waiter = waiter?.next;
          assertEquals(waiter?.item, waiting?.id);
          waiter?.reject("refused");
          assertEquals(waiter?.isWaiting ?? false, false);
          if (waiting) leave(waiting, "refused");
        } else {
          const gone = signals[step.abort]!; // below SIGNALS
          all.push(signals[step.abort] = shared());
          gone.controller.abort("aborted");
          for (const waiting of model) {
            if (waiting.shared === gone) leave(waiting, "aborted");
          }
        }
        for (let n = 0; n < 3; n++) await undefined;
        assertEquals(told, expected);
        assertEquals(line.size, model.length);
        assertEquals(leavers, refused);
        for (const one of all) {
          const isListenedTo = model.some(({ shared }) => shared === one);
          assertEquals(abortListeners(one.signal), isListenedTo ? 1 : 0);
        }
        assertEquals(
          timers.size,
          model.filter(({ end }) => end !== Infinity).length,
        );
      }
      for (const { id } of model) {
        assertEquals(line.first?.item, id);
        line.first?.resolve("the last");
      }
      assertEquals([line.size, line.first, timers.size], [0, undefined, 0]);
      assert(all.every(({ signal }) => abortListeners(signal) === 0));
      for (let n = 0; n < 3; n++) await undefined;
      assertEquals(told.length, id);
    }),
    { seed: 1, numRuns: 100 },
  );
});

Deno.test("WaitingLine keeps what was handed over before the abort of the same tick, and hands nothing over after it", async () => {
  const line = new WaitingLine<string>();
  const early = new AbortController();
  const late = new AbortController();
  const first = line.wait(undefined, early.signal);
  const second = line.wait(undefined, late.signal).catch((reason) => reason);
  const third = line.wait(undefined);
  line.first?.resolve("one");
  early.abort("too late");
  late.abort("in time");
  line.first?.resolve("two");
  assertEquals(await Promise.all([first, second, third]), [
    "one",
    "in time",
    "two",
  ]);
});

Deno.test("Waiter.expireAfter() makes its error while the call still stands in line", async () => {
  using clock = new FakeClock();
  const line = new WaitingLine<string>();
  const error = new Error("waited too long");
  let size = 0;
  const waiting = new Promise<string>((resolve, reject) => {
    const waiter = new Waiter<string>(undefined, resolve, reject);
    line.push(waiter);
    waiter.expireAfter(10, () => {
      size = line.size;
      return error;
    });
  }).catch((reason) => reason);
  await clock.tick(10);
  assertStrictEquals(await waiting, error);
  assertEquals([size, line.size], [1, 0]);
});

Deno.test("WaitingLine lets 200,000 leave from anywhere, each in no time", () => {
  const line = new WaitingLine();
  const waiters = Array.from({ length: 200_000 }, () => {
    const waiter = new Waiter<void>(undefined, () => {}, () => {});
    line.push(waiter);
    return waiter;
  });
  const random = randomNumbers(1);
  const mixed = waiters
    .map((waiter) => ({ waiter, place: random() }))
    .sort((a, b) => a.place - b.place);
  const start = performance.now();
  for (const { waiter } of mixed) waiter.reject("gave up");
  const duration = performance.now() - start;
  assertEquals([line.size, line.first], [0, undefined]);
  // A search through the line for each would look at ten billion places.
  assert(duration < 5000, `took ${duration} ms`);
});
