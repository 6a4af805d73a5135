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
