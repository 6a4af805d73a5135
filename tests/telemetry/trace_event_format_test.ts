/**
 * The timeline against the rules of the Trace Event Format, as viewers read it.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { AsyncRunner } from "../../runner/mod.ts";

/** What viewers take from each phase; anything else would be ignored or refused. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  X: ["name", "cat", "ph", "ts", "dur", "pid", "tid", "args"],
  b: ["name", "cat", "ph", "ts", "pid", "tid", "id", "args"],
  e: ["name", "cat", "ph", "ts", "pid", "tid", "id", "args"],
  M: ["name", "cat", "ph", "ts", "pid", "tid", "args"],
};

// deno-lint-ignore no-explicit-any -- parsed JSON, of which nothing is known
function validate(text: string): Map<string, any[]> {
  const { traceEvents, ...rest } = JSON.parse(text);
  assertEquals(rest, { displayTimeUnit: "ms" });
  assert(Array.isArray(traceEvents));
  // deno-lint-ignore no-explicit-any -- see above
  const byPhase = new Map<string, any[]>();
  for (const event of traceEvents) {
    const fields = FIELDS[event.ph];
    assert(fields, `phase ${event.ph}`);
    assertEquals(Object.keys(event).sort(), fields.toSorted());
    assert(event.name !== "" && typeof event.name === "string");
    for (const key of ["ts", "pid", "tid", "dur"]) {
      if (fields.includes(key)) assert(Number.isFinite(event[key]), key);
    }
    if (!byPhase.has(event.ph)) byPhase.set(event.ph, []);
    byPhase.get(event.ph)!.push(event); // set on the line above
  }
  const phase = (name: string) => byPhase.get(name) ?? [];
  // Async events: each id within a category has one begin, one end, in this order, alike.
  const begun = new Map(phase("b").map((event) => [event.id, event]));
  assertEquals(begun.size, phase("b").length);
  assertEquals(phase("e").length, begun.size);
  for (const end of phase("e")) {
    const begin = begun.get(end.id);
    assert(begin, `the wait of ${end.id} has no begin`);
    assertEquals([end.name, end.cat, end.pid], [
      begin.name,
      begin.cat,
      begin.pid,
    ]);
    assert(begin.ts <= end.ts);
  }
  // Complete events of one thread must not overlap but by nesting; ours do not even nest.
  const named = new Map(
    phase("M").map((event) => [event.tid, event.args.name]),
  );
  const lastEnd = new Map<number, number>();
  for (const { ts, dur, tid } of phase("X").toSorted((a, b) => a.ts - b.ts)) {
    assert(dur >= 0);
    // Microseconds from milliseconds: the last digits are the rounding's.
    assert(ts >= (lastEnd.get(tid) ?? -Infinity) - 0.001, `slot ${tid}`);
    lastEnd.set(tid, ts + dur);
    assertEquals(named.get(tid), `slot ${tid}`);
  }
  return byPhase;
}

Deno.test("runner.timeline() of children, failures, cancels and running tasks is valid for trace viewers", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 3, timeline: 500 });
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));
  const family = runner.submit(async ({ submit }) => {
    await Promise.all([1, 2, 3].map((n) => submit(pause, { name: `c${n}` })));
  }, { name: 'a "name" with <signs>, \u0000 and 🦕' });
  const many = Array.from({ length: 60 }, (_, n) =>
    runner.submit(async () => {
      await pause();
      if (n % 7 === 0) throw new Error("fails");
    }, { name: `task ${n}`, priority: (n % 5) as 0 | 1 | 2 | 3 | 4 }));
  const cancelled = many.filter((_, n) => n % 9 === 5);
  for (const handle of cancelled) handle.cancel();
  await Promise.allSettled([family, ...many]);
  const hold = Promise.withResolvers<void>();
  const held = runner.submit(() => hold.promise, { name: "still running" });
  await pause();
  const phases = validate(JSON.stringify(runner.timeline()));
  const states = new Set(phases.get("b")?.map(({ args }) => args.state));
  assertEquals(
    [...states].sort(),
    ["cancelled", "failed", "running", "succeeded"],
  );
  assertGreater(phases.get("X")?.length ?? 0, 50);
  hold.resolve();
  await held;
});

Deno.test("runner.timeline() of a runner that did nothing is valid for trace viewers", async () => {
  await using runner = new AsyncRunner({ timeline: 1 });
  assertEquals(validate(JSON.stringify(runner.timeline())).size, 0);
});
