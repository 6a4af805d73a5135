/**
 * Cancels on their way to the store.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Cancels } from "../../../distributed/submit/cancels.ts";
import type { CancelResult, Engine } from "../../../distributed/engine.ts";
import type { OpenTask } from "../../../distributed/submit/open_tasks.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { FakeEngine } from "../support/fake_engine.ts";

Deno.test(
  "Cancels tell the store again every second, but not while it has not answered",
  async () => {
    using clock = new FakeClock();
    const answers: ((result: CancelResult) => void)[] = [];
    const engine = {
      trouble: undefined,
      cancel: () =>
        new Promise<CancelResult>((resolve) => answers.push(resolve)),
    } as unknown as Engine;
    const gone: OpenTask[] = [];
    const task: OpenTask = {
      id: "1",
      handles: [],
      next: [],
      removal: undefined,
    };
    const cancels: Cancels = new Cancels(engine, (task) => {
      gone.push(task);
      cancels.over(task);
    }, () => {});
    cancels.begin(task);
    await clock.tick(10_000);
    assertEquals(answers.length, 1);
    answers[0]?.("told");
    await clock.tick(1_000);
    assertEquals(answers.length, 2);
    answers[1]?.("removed");
    await clock.tick(1_000);
    assertEquals([answers.length, gone], [2, [task]]);
  },
);

Deno.test(
  "Cancels heed no answer that the end of the task or of the runner has overtaken",
  async () => {
    using clock = new FakeClock();
    for (const end of ["the task", "the runner"]) {
      for (const answer of ["removed", "an error"]) {
        const engine = new FakeEngine();
        const answering = engine.hold("cancel");
        const told: unknown[] = [];
        const cancels = new Cancels(
          engine,
          (task) => told.push(task),
          (error) => told.push(error),
        );
        const task: OpenTask = {
          id: "1",
          handles: [],
          next: [],
          removal: undefined,
        };
        cancels.begin(task);
        await clock.settle();
        if (end === "the task") cancels.over(task);
        else cancels.close();
        if (answer === "removed") answering.resolve();
        else answering.reject(new Error("closed"));
        await clock.tick(10_000);
        assertEquals([told, engine.countOf("cancel")], [[], 1], end);
        assertEquals(clock.time.next(), false);
      }
    }
  },
);
