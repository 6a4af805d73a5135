/**
 * What is mutated, and which tests are run for a mutant.
 *
 * @module
 */
import {
  assertEquals,
  assertGreater,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { chosenFiles, strykerOptions } from "../../tools/mutate.ts";
import { AREAS, coreFiles, filesIn } from "../../tools/mutate/areas.ts";
import {
  askingPermission,
  filesFor,
  mutantsIn,
  type Plan,
} from "../../tools/mutate/run_tests.ts";
import { testWith } from "../support/permissions.ts";

testWith(
  ["read"],
  "AREAS names files and tests that exist, and the nightly workflow names the areas",
  async () => {
    for (const [area, { tests }] of Object.entries(AREAS)) {
      assertGreater((await coreFiles(area)).length, 0);
      for (const folder of tests) {
        assertGreater((await filesIn(folder, "_test.ts")).length, 0, folder);
      }
    }
    const workflow = await Deno.readTextFile(
      new URL("../../.github/workflows/mutate.yml", import.meta.url),
    );
    assertStringIncludes(workflow, `area: [${Object.keys(AREAS).join(", ")}]`);
  },
);

testWith(
  ["read"],
  "chosenFiles() takes areas and files, and gives the core without either",
  async () => {
    const files = ["http/call/redirects.ts", "http/client.ts"];
    assertEquals(
      await chosenFiles(["./http/call/redirects.ts", "http/client.ts"]),
      new Map([["http", files]]),
    );
    const core = await chosenFiles([]);
    assertEquals([...core.keys()], Object.keys(AREAS));
    assertEquals(core.get("file"), (await chosenFiles(["file"])).get("file"));
    assertEquals(core.get("file"), await coreFiles("file"));
    await assertRejects(
      () => chosenFiles(["bench/pool_bench.ts"]),
      RangeError,
      "bench/pool_bench.ts is in none of",
    );
    await assertRejects(
      () => chosenFiles(["http/nothing.ts"]),
      RangeError,
      "There is no http/nothing.ts",
    );
  },
);

Deno.test("strykerOptions() mutates the files, runs the area's tests and fails below the goal", () => {
  const { mutate, commandRunner, thresholds } = strykerOptions(
    "http",
    ["http/call/redirects.ts"],
    "/temporary",
  );
  assertEquals(mutate, ["http/call/redirects.ts"]);
  assertEquals(commandRunner, {
    command:
      "deno run --quiet --allow-all tools/mutate/run_tests.ts /temporary/plan.json tests/http",
  });
  assertEquals(thresholds, { high: 90, low: 80, break: 90 });
});

const PLAN: Plan = {
  tests: [
    { path: "slow_test.ts", time: 30, reached: ["1", "2", "9"] },
    { path: "quick_test.ts", time: 10, reached: ["1"] },
    { path: "broken_test.ts", time: 1 },
    { path: "other_test.ts", time: 20, reached: ["9"] },
  ],
  mutants: [["1", "2", "3"], ["9"], ["12"]],
};
const pathsFor = (mutant: string) =>
  filesFor(mutant, PLAN).map(({ path }) => path);

Deno.test("filesFor() gives what reaches the mutant, the quickest first, without what fails anyway", () => {
  assertEquals(pathsFor("1"), ["quick_test.ts", "slow_test.ts"]);
  assertEquals(pathsFor("2"), ["slow_test.ts"]);
  assertEquals(pathsFor("9"), ["other_test.ts", "slow_test.ts"]);
});

Deno.test("filesFor() gives what reaches the file of a mutant that no test reaches, or else everything", () => {
  assertEquals(pathsFor("3"), ["quick_test.ts", "slow_test.ts"]);
  assertEquals(pathsFor("12"), [
    "quick_test.ts",
    "other_test.ts",
    "slow_test.ts",
  ]);
});

// As Stryker 9.6.1 writes it, shortened.
const INSTRUMENTED = `function stryNS_9fa48() {
  var ns = g.__stryker__ || (g.__stryker__ = {});
  if (ns.activeMutant === undefined && g.process && g.process.env && g.process.env.__STRYKER_ACTIVE_MUTANT__) {
    ns.activeMutant = g.process.env.__STRYKER_ACTIVE_MUTANT__;
  }
}
function stryMutAct_9fa48(id) {}
export const a = stryMutAct_9fa48("10") ? 1 : (stryCov_9fa48("10", "11"), stryMutAct_9fa48("11") ? 2 : 3);
export const b = stryMutAct_9fa48("10") ? 1 : 0;
`;

Deno.test("mutantsIn() finds each mutant of an instrumented file once", () => {
  assertEquals(mutantsIn(INSTRUMENTED), ["10", "11"]);
  assertEquals(mutantsIn("export const a = 1;"), []);
});

testWith(
  ["read", "run"],
  "askingPermission() lets instrumented code run without permission, and find its mutant with it",
  async () => {
    const [header] = askingPermission(INSTRUMENTED).split("export ");
    const code = `const g = globalThis;
      ${header}
      stryNS_9fa48();
      console.log(globalThis.__stryker__.activeMutant ?? "none");`;
    const run = async (...flags: string[]) => {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-prompt",
          ...flags,
          `data:text/javascript,${encodeURIComponent(code)}`,
        ],
        env: { __STRYKER_ACTIVE_MUTANT__: "10" },
        stdin: "null",
        signal: AbortSignal.timeout(60_000),
      }).output();
      return new TextDecoder().decode(stdout).trim();
    };
    assertEquals(await run(), "none");
    assertEquals(await run("--allow-env=OTHER"), "none");
    assertEquals(await run("--allow-env"), "10");
    assertEquals(await run("--allow-env=__STRYKER_ACTIVE_MUTANT__"), "10");
  },
);
