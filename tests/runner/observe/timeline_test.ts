import { assert, assertEquals, assertThrows } from "@std/assert";
import { AsyncRunner, TaskPriority } from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("runner.timeline() shows what ran when, on which slot, and who waited", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 2, timeline: 10 });
  const base = performance.now();
  const sleep = (ms: number) => () =>
    new Promise<void>((resolve) => setTimeout(resolve, ms));
  runner.submit(sleep(30), { name: "a" });
  runner.submit(sleep(10), { name: "b" });
  runner.submit(sleep(10), { name: "c", priority: TaskPriority.LOW });
  for (let i = 0; i < 3; i++) await clock.tick(10);

  const { traceEvents, displayTimeUnit } = runner.timeline();
  assertEquals(displayTimeUnit, "ms");
  const runs = traceEvents.filter(({ ph }) => ph === "X").map((event) => [
    event.name,
    event.tid,
    Math.round(event.ts / 1000 - base),
    Math.round((event.dur ?? 0) / 1000),
    event.args.waited,
  ]);
  assertEquals(runs, [
    ["b", 2, 0, 10, 0],
    ["a", 1, 0, 30, 0],
    ["c", 2, 10, 10, 10],
  ]);
  const waits = traceEvents.filter(({ cat, name }) =>
    cat === "queue" && name === "c"
  );
  assertEquals(waits.map(({ ph }) => ph), ["b", "e"]);
});

Deno.test("runner.timeline() keeps to the Trace Event Format", async () => {
  await using runner = new AsyncRunner({ timeline: 3 });
  await runner.gather(Array.from({ length: 5 }, (_, n) => () => n));
  const { traceEvents } = JSON.parse(JSON.stringify(runner.timeline()));
  // Only the last three are kept: a span, and two ends of a wait, for each.
  assertEquals(
    traceEvents.filter((e: { ph: string }) => e.ph !== "M").length,
    9,
  );
  for (const event of traceEvents) {
    assert(["X", "b", "e", "M"].includes(event.ph), event.ph);
    assertEquals(typeof event.name, "string");
    assertEquals(typeof event.ts, "number");
    assertEquals([typeof event.pid, typeof event.tid], ["number", "number"]);
    if (event.ph === "X") assert(event.dur >= 0);
    if (event.ph === "b" || event.ph === "e") {
      assertEquals(typeof event.id, "string");
    }
  }
});

Deno.test("runner.timeline() shows a cancelled task until its function has ended", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 1, timeline: 10 });
  await using _ = nothingLeft({ runner });
  const stubborn = runner.submit(
    () => new Promise<void>((resolve) => setTimeout(resolve, 50)),
    { name: "stubborn" },
  );
  const queued = runner.submit(() => 1, { name: "never started" });
  await clock.settle();
  stubborn.cancel();
  queued.cancel();
  await clock.tick(50);
  const events = runner.timeline().traceEvents;
  const [run] = events.filter(({ ph }) => ph === "X");
  assertEquals(run?.name, "stubborn");
  assertEquals(run?.args.state, "cancelled");
  assertEquals(Math.round((run?.dur ?? 0) / 1000), 50);
  assertEquals(
    events.filter(({ name, ph }) => name === "never started" && ph === "X"),
    [],
  );
});

Deno.test("runner.timeline() without the option says what to do", () => {
  assertThrows(
    () => new AsyncRunner().timeline(),
    TypeError,
    "option timeline",
  );
});

Deno.test("runner.timeline() shows tasks that start when the clock is at 0", async () => {
  const realNow = performance.now;
  performance.now = () => 0;
  try {
    await using runner = new AsyncRunner({ timeline: 10 });
    for (let n = 0; n < 3; n++) await runner.submit(() => n);
    const { traceEvents } = runner.timeline();
    const count = (phase: string) =>
      traceEvents.filter(({ ph }) => ph === phase).length;
    assertEquals({ spans: count("X"), slots: count("M") }, {
      spans: 3,
      slots: 1,
    });
  } finally {
    performance.now = realNow;
  }
});
