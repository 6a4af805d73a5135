/**
 * Failures that come too late for anybody's promise.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  lateFailure,
  markHeard,
  reportLate,
} from "../../_internal/late_failure.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { CapturedConsole, later } from "../support/captured_console.ts";
import { testWith } from "../support/permissions.ts";

Deno.test("lateFailure() takes the reason itself and every AbortError for an echo, and nothing else", () => {
  const reason = { any: "value" };
  const failure = new TypeError("rollback failed");
  assertEquals(lateFailure(reason, reason), undefined);
  assertEquals(
    lateFailure(new DOMException("stopped", "AbortError"), reason),
    undefined,
  );
  assertEquals(lateFailure(failure, reason), { error: failure, reason });
  assertEquals(lateFailure(undefined, reason), { error: undefined, reason });
});

Deno.test("reportLate() prints one line a second at most, and how many it left out", async () => {
  using clock = new FakeClock();
  using console = new CapturedConsole();
  await later(clock);
  reportLate("Late", new TypeError("a\nb"));
  reportLate("Late", new Error("left out"));
  reportLate("Late", new Error("left out too"));
  await clock.tick(999);
  reportLate("Late", new Error("and so is this"));
  assertEquals(console.take(), ["Late: TypeError: a b"]);
  await clock.tick(1);
  reportLate("Late", "a text");
  await clock.tick(1000);
  reportLate("Late", undefined);
  assertEquals(console.take(), [
    'Late: "a text" (and 3 other late failures before it)',
    "Late: undefined",
  ]);
});

Deno.test("reportLate() leaves out once what was heard of elsewhere", async () => {
  using clock = new FakeClock();
  using console = new CapturedConsole();
  await later(clock);
  const failure = new Error("of an observed task");
  markHeard(failure);
  reportLate("Late", failure);
  assertEquals(console.take(), []);
  // Another failure of the same object.
  reportLate("Late", failure);
  assertEquals(console.take(), ["Late: Error: of an observed task"]);
});

testWith(
  ["run", "read"],
  "reportLate() tells at the end of the program how many it has left out",
  async () => {
    const module = import.meta.resolve("../../_internal/late_failure.ts");
    const program = `
    import { reportLate } from ${JSON.stringify(module)};
    for (const name of ["a", "b", "c"]) reportLate("Late", new Error(name));
  `;
    const { stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", "--ext=ts", program],
    }).output();
    assertEquals(
      [code, new TextDecoder().decode(stderr)],
      [0, "Late: Error: a\n2 other late failures\n"],
    );
  },
);
