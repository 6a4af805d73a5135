/**
 * Mutation testing of the core: StrykerJS changes one thing at a time, and a test must notice. A
 * report of each area goes to mutation/.
 *
 * Usage: `deno task mutate [AREA or FILE...]`, for example `deno task mutate streams` or
 * `deno task mutate http/retry/retry_after.ts`; everything without a name. Stryker needs Node and comes
 * from npm. The exit code is 1 when an area reaches less than the goal.
 *
 * @module
 */
import { AREAS, coreFiles, filesIn, ROOT } from "./mutate/areas.ts";
import type { Plan } from "./mutate/run_tests.ts";

/** The last that runs on Node 20. */
const STRYKER = "@stryker-mutator/core@9.6.1";
/** Noticed mutants of 100. */
const GOAL = 90;

/** What to mutate, by area. */
export async function chosenFiles(
  names: readonly string[],
): Promise<Map<string, string[]>> {
  const chosen = new Map<string, string[]>();
  for (const given of names.length === 0 ? Object.keys(AREAS) : names) {
    const name = given.replace(/^\.\//, "");
    const area = name.split("/")[0] ?? "";
    if (AREAS[area] === undefined) {
      throw new RangeError(
        `${name} is in none of ${Object.keys(AREAS).join(", ")}.`,
      );
    }
    const files = name.endsWith(".ts") ? [name] : await coreFiles(area);
    const present = await filesIn(area, ".ts");
    if (!files.every((file) => present.includes(file))) {
      throw new RangeError(`There is no ${name}.`);
    }
    chosen.set(area, [...chosen.get(area) ?? [], ...files]);
  }
  return chosen;
}

/** Stryker's settings for an area; `directory` is for what it needs meanwhile. */
export function strykerOptions(
  area: string,
  files: readonly string[],
  directory: string,
): Record<string, unknown> {
  const folders = AREAS[area]?.tests.join(" ") ?? "";
  return {
    mutate: files,
    testRunner: "command",
    commandRunner: {
      command:
        `deno run --quiet --allow-all tools/mutate/run_tests.ts ${directory}/plan.json ${folders}`,
    },
    thresholds: { high: GOAL, low: GOAL - 10, break: GOAL },
    // A file has a time limit of its own, so these only end what has escaped that.
    timeoutFactor: 5,
    timeoutMS: 60_000,
    dryRunTimeoutMinutes: 60,
    // Tests run without type-checking; nothing is built, and no plugin is needed.
    disableTypeChecks: false,
    checkers: [],
    plugins: [],
    tempDirName: `${directory}/sandbox`,
    symlinkNodeModules: false,
    ignorePatterns: ["bench", "docs", "examples", "coverage", "mutation"],
    reporters: ["clear-text", "html", "json"],
    clearTextReporter: { allowColor: false, logTests: false },
    htmlReporter: { fileName: `${ROOT}mutation/${area}.html` },
    jsonReporter: { fileName: `${ROOT}mutation/${area}.json` },
  };
}

/** The test files that could not be used; none when it did not come so far. */
async function unused(plan: string): Promise<string[]> {
  try {
    const { tests } = JSON.parse(await Deno.readTextFile(plan)) as Plan;
    return tests.filter(({ reached }) => reached === undefined)
      .map(({ path }) => path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Mutates an area's files; whether it reaches the goal. */
async function mutate(area: string, files: string[]): Promise<boolean> {
  const directory = await Deno.makeTempDir({ prefix: "mutate_" });
  try {
    const options = `${directory}/stryker.json`;
    await Deno.writeTextFile(
      options,
      JSON.stringify(strykerOptions(area, files, directory)),
    );
    const { success } = await new Deno.Command("npx", {
      args: ["-y", `--package=${STRYKER}`, "stryker", "run", options],
      cwd: ROOT,
    }).spawn().status;
    for (const path of await unused(`${directory}/plan.json`)) {
      console.log(`Not used: ${path} fails though nothing is mutated.`);
    }
    return success;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) {
  // Stryker is told by the terminal as well: what was made for it goes when it has ended.
  let isInterrupted = false;
  Deno.addSignalListener("SIGINT", () => isInterrupted = true);
  for (const [area, files] of await chosenFiles(Deno.args)) {
    if (!await mutate(area, files)) Deno.exitCode = 1;
    if (isInterrupted) Deno.exit(130);
  }
  Deno.exit();
}
