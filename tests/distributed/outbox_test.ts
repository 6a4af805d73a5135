/**
 * How many round trips to the store what was submitted takes.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Outbox } from "../../distributed/submit/outbox.ts";
import { Submitter } from "../../distributed/submit/submitter.ts";
import { submitterSettings } from "../../distributed/submit/submitter_settings.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeEngine } from "./support/fake_engine.ts";
import { square } from "./support/tasks.ts";

/** An outbox whose sends come back when they are told to. */
function heldOutbox() {
  const sends: { items: number[]; comeBack: () => void }[] = [];
  const outbox = new Outbox<number>((items) =>
    new Promise((resolve) => sends.push({ items, comeBack: resolve }))
  );
  return { outbox, sends };
}

/** Everything that promises have to do. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** The numbers below `count`. */
function below(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

Deno.test("Outbox sends what is added in one tick together, at most 1,000 at once, in order", async () => {
  const { outbox, sends } = heldOutbox();
  for (const n of below(2_500)) outbox.add(n);
  assertEquals(sends, []);
  await settle();
  assertEquals(sends.map(({ items }) => items.length), [1_000, 1_000, 500]);
  assertEquals(sends.flatMap(({ items }) => items), below(2_500));
});

Deno.test("Outbox has four sends under way at most, and what is added meanwhile goes with the next", async () => {
  const { outbox, sends } = heldOutbox();
  for (const n of below(10)) {
    outbox.add(n);
    await settle();
  }
  assertEquals(sends.map(({ items }) => items), [[0], [1], [2], [3]]);
  sends[2]?.comeBack();
  await settle();
  assertEquals(sends.slice(4).map(({ items }) => items), [[4, 5, 6, 7, 8, 9]]);
  for (const { comeBack } of sends) comeBack();
  await settle();
  assertEquals(sends.length, 5);
  // Places that have come back are used again.
  for (const n of [10, 11, 12, 13, 14]) {
    outbox.add(n);
    await settle();
  }
  assertEquals(sends.slice(5).flatMap(({ items }) => items), [10, 11, 12, 13]);
});

Deno.test("Outbox.delete() keeps an item from being sent until it has gone", async () => {
  const { outbox, sends } = heldOutbox();
  for (const n of below(3)) outbox.add(n);
  assertEquals([outbox.delete(1), outbox.delete(1)], [true, false]);
  await settle();
  assertEquals(sends.map(({ items }) => items), [[0, 2]]);
  assertEquals(outbox.delete(2), false);
  outbox.add(3);
  outbox.delete(3);
  await settle();
  assertEquals(sends.length, 1);
});

Deno.test("submits of one tick are added with one call of the engine, without those that were taken back", async () => {
  using clock = new FakeClock();
  const engine = new FakeEngine();
  const submitter = new Submitter(engine, submitterSettings({}, () => {}));
  const handles = below(100).map((n) => submitter.submit(square(n)));
  handles[7]?.cancel();
  const outcomes = Promise.allSettled(handles);
  await clock.settle();
  assertEquals(engine.added.length, 1);
  assertEquals(
    engine.added[0]?.map(({ id }) => id),
    handles.filter((_, n) => n !== 7).map(({ id }) => id),
  );
  // What was taken back has never been in the store.
  assertEquals(engine.countOf("cancel"), 0);
  const late = submitter.submit(square(100));
  const lateOutcome = late.catch(({ name }) => name);
  await clock.settle();
  const [, second, ...more] = engine.added;
  assertEquals([second?.map(({ id }) => id), more], [[late.id], []]);
  // It listens, and asks for the time, once.
  assertEquals([engine.countOf("listen"), engine.countOf("now")], [1, 1]);
  await submitter.close();
  await outcomes;
  assertEquals(await lateOutcome, "DisposedError");
});
