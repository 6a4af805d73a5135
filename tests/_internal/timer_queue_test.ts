/**
 * TimerQueue, beside a sorted list.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  idleTimers,
  type TimerEntry,
  TimerQueue,
} from "../../_internal/timer_queue.ts";
import { now } from "../../_internal/clock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { nothingLeft } from "../support/nothing_left.ts";
import { testWith } from "../support/permissions.ts";

Deno.test("TimerQueue tells each entry once, in the order of time and then of adding, and no removed one", async () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ remove: fc.nat() }),
    fc.record({ tick: fc.integer({ min: 0, max: 20 }) }),
    // Enough at once for the removed ones to be swept out.
    fc.record({
      addMany: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 60 }),
    }),
    fc.record({ removeMany: fc.integer({ min: 2, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      using clock = new FakeClock();
      const queue = new TimerQueue(true);
      const told: number[] = [];
      const expected: number[] = [];
      const entries: TimerEntry[] = [];
      let model: { id: number; time: number }[] = [];
      const add = (delay: number) => {
        const id = entries.length;
        const time = now() + delay;
        entries.push(queue.add(time, { timeUp: () => told.push(id) }));
        model.push({ id, time });
      };
      const remove = (isChosen: (id: number) => boolean) => {
        for (const [id, entry] of entries.entries()) {
          if (isChosen(id)) queue.remove(entry);
        }
        model = model.filter(({ id }) => !isChosen(id));
      };
      for (const step of steps) {
        if ("add" in step) add(step.add);
        else if ("addMany" in step) step.addMany.forEach(add);
        else if ("remove" in step) {
          if (entries.length > 0) {
            remove((id) => id === step.remove % entries.length);
          }
        } else if ("removeMany" in step) {
          // All but each second to fifth.
          remove((id) => id % step.removeMany !== 0);
        } else {
          await clock.tick(step.tick);
          const due = model.filter(({ time }) => time <= now());
          model = model.filter(({ time }) => time > now());
          // Entries of one tick may be told by several timers, each in its own order of time.
          due.sort((a, b) => a.time - b.time || a.id - b.id);
          expected.push(...due.map(({ id }) => id));
        }
        assertEquals(told, expected);
        assertEquals(queue.size, model.length);
      }
      for (const entry of entries) queue.remove(entry);
      assertEquals(queue.size, 0);
    }),
    { seed: 2, numRuns: 100 },
  );
});

Deno.test("TimerQueue waits past 2^31 ms", async () => {
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  let isTold = false;
  queue.add(now() + 2 ** 32, { timeUp: () => isTold = true });
  await clock.tick(2 ** 32 - 1);
  assert(!isTold);
  await clock.tick(1);
  assert(isTold);
  assertEquals(queue.size, 0);
});

Deno.test("TimerQueue lets a target add and remove while it is told", async () => {
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  const told: string[] = [];
  const later = queue.add(now() + 10, { timeUp: () => told.push("removed") });
  queue.add(now() + 10, { timeUp: () => told.push("second") });
  queue.add(now() + 5, {
    timeUp() {
      told.push("first");
      queue.remove(later);
      queue.remove(later);
      queue.add(now() + 20, { timeUp: () => told.push("third") });
    },
  });
  await clock.tick(30);
  assertEquals(told, ["first", "second", "third"]);
});

Deno.test("TimerQueue goes on when a target empties it and fills it again", async () => {
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  const told: number[] = [];
  const other = queue.add(now() + 100, { timeUp: () => told.push(100) });
  queue.add(now() + 1, {
    timeUp() {
      queue.remove(other);
      queue.add(now() + 1, { timeUp: () => told.push(2) });
    },
  });
  await clock.tick(2);
  assertEquals(told, [2]);
  assertEquals(queue.size, 0);
});

Deno.test("TimerQueue ends although a target adds itself again without a delay", async () => {
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  let count = 0;
  const target = {
    timeUp() {
      if (++count < 5) queue.add(now(), target);
    },
  };
  queue.add(now(), target);
  await clock.tick(1);
  await clock.tick(1);
  assertEquals(count, 5);
});

Deno.test("TimerQueue loses no entry when a target throws", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  const told: number[] = [];
  queue.add(now() + 5, {
    timeUp() {
      throw new Error("must not");
    },
  });
  queue.add(now() + 5, { timeUp: () => told.push(1) });
  assertThrows(() => clock.time.tick(5), Error, "must not");
  await clock.tick(1);
  assertEquals(told, [1]);
});

Deno.test("TimerQueue keeps no runtime timer when it is empty", () => {
  using clock = new FakeClock();
  const queue = new TimerQueue(true);
  const entries = Array.from(
    { length: 100 },
    (_, index) => queue.add(now() + 1e6 + index, { timeUp() {} }),
  );
  for (const entry of entries) queue.remove(entry);
  assertEquals(queue.size, 0);
  assert(!clock.time.next(), "a timer was set");
});

Deno.test("TimerQueue removes 100,000 entries in any order in well under quadratic time", () => {
  const queue = new TimerQueue(true);
  const entries = Array.from(
    { length: 100_000 },
    (_, index) =>
      queue.add(now() + 1e6 + (index * 7919) % 100_000, { timeUp() {} }),
  );
  for (const entry of entries) queue.remove(entry);
  assertEquals(queue.size, 0);
});

testWith(
  ["run", "read"],
  "idleTimers lets the process end, and timers keeps it alive",
  async () => {
    const module = new URL("../../_internal/timer_queue.ts", import.meta.url);
    // A timer that is due when the event loop first looks at it fires, whether or not it would
    // have kept the process alive: a busy machine must not get there before the process ends.
    for (
      const [name, delay, expected] of [
        ["idleTimers", 20_000, ""],
        ["timers", 50, "told"],
      ] as const
    ) {
      const program = `
        import { ${name} } from ${JSON.stringify(module.href)};
        ${name}.add(performance.now() + ${delay}, { timeUp: () => console.log("told") });`;
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          `data:application/typescript,${encodeURIComponent(program)}`,
        ],
      }).output();
      const decoder = new TextDecoder();
      assertEquals(
        decoder.decode(stdout).trim(),
        expected,
        decoder.decode(stderr),
      );
    }
    assertEquals(idleTimers.size, 0);
  },
);

testWith(
  ["run", "read"],
  "TimerQueue keeps the process alive for no later timer that an earlier one has replaced",
  async () => {
    await using _ = nothingLeft();
    const module = new URL("../../_internal/timer_queue.ts", import.meta.url);
    const program = `
      import { timers } from ${JSON.stringify(module.href)};
      const at = (delay, timeUp) => timers.add(performance.now() + delay, { timeUp });
      const later = at(3_600_000, () => {});
      at(20, () => console.log("told"));
      timers.remove(later);`;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        `data:application/javascript,${encodeURIComponent(program)}`,
      ],
      // It ends in a moment, or in an hour.
      signal: AbortSignal.timeout(60_000),
    }).output();
    const decoder = new TextDecoder();
    assertEquals(
      [code, decoder.decode(stdout).trim()],
      [0, "told"],
      decoder.decode(stderr),
    );
  },
);
