/**
 * The command that Stryker runs in its copy of the repository: once with nothing mutated, when it
 * notes how long each test file takes and which mutants it reaches, and then for each mutant, when it
 * runs only the files that reach it, the quickest first, until one fails.
 *
 * Usage: `deno run --allow-all tools/mutate/run_tests.ts PLAN FOLDER...`: where to keep the notes,
 * and where the test files are.
 *
 * @module
 */
import { AREAS, filesIn, ROOT } from "./areas.ts";

/** What tells the instrumented code, and this, which mutant it is. */
const MUTANT = "__STRYKER_ACTIVE_MUTANT__";
/** Longer than any file takes, in milliseconds. */
const LONGEST = 300_000;
/** What a file may take beyond four times what it took when nothing was mutated, in milliseconds. */
const SPARE = 5000;

/** What is noted of a test file. */
export interface TestFile {
  readonly path: string;
  /** How long it takes, in milliseconds. */
  readonly time: number;
  /** The mutants that its tests reach; `undefined` when it fails though nothing is mutated. */
  readonly reached?: readonly string[];
}

/** What the first run leaves for the others. */
export interface Plan {
  readonly tests: readonly TestFile[];
  /** The mutants of each mutated file. */
  readonly mutants: readonly (readonly string[])[];
}

/**
 * The test files to run for a mutant, the quickest first: those that reach it. When none does, as
 * with what is made once at import, those that reach something of its file; failing that, all.
 */
export function filesFor(mutant: string, { tests, mutants }: Plan): TestFile[] {
  const neighbours = mutants.find((ids) => ids.includes(mutant)) ?? [];
  const sound = tests.filter(({ reached }) => reached !== undefined);
  const reaching = (ids: readonly string[]) =>
    sound.filter(({ reached }) => reached?.some((id) => ids.includes(id)));
  return [reaching([mutant]), reaching(neighbours), sound]
    .find((files) => files.length > 0)
    ?.toSorted((a, b) => a.time - b.time) ?? [];
}

/** Ends the test file that runs, and all that it has started. */
let end = (): void => {};

/** Whether a test file passes within `limit` milliseconds: a mutant that never ends fails it. */
async function passes(
  path: string,
  limit: number,
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const fixed = "test --allow-all --no-check --quiet --fail-fast".split(" ");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...fixed, ...flags, path],
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    detached: true, // with a process group of its own, which can be ended as a whole
  }).spawn();
  end = () => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  };
  const timer = setTimeout(() => end(), limit);
  const { success } = await child.status;
  clearTimeout(timer);
  end();
  return success;
}

/**
 * Instrumented code asks the environment which mutant it is, at which a program that a test starts
 * without that permission would end. With this it does not ask, and runs with nothing mutated.
 */
export function askingPermission(instrumented: string): string {
  const asks = "ns.activeMutant === undefined && g.process";
  const may =
    `g.Deno?.permissions.querySync({ name: "env", variable: "${MUTANT}" }).state === "granted"`;
  return instrumented.replace(asks, `${may} && ${asks}`);
}

/** The mutants that stand in the text of a file. */
export function mutantsIn(instrumented: string): string[] {
  const ids = instrumented.matchAll(/stryMutAct_\w+\("(\d+)"\)/g);
  return [...new Set(ids.map(([, id = ""]) => id))];
}

/** Makes the instrumented files ask for permission, and tells which mutants are in each. */
async function prepare(): Promise<string[][]> {
  const mutants: string[][] = [];
  for (const area of Object.keys(AREAS)) {
    for (const path of await filesIn(area, ".ts")) {
      const text = await Deno.readTextFile(`${ROOT}${path}`);
      const asking = askingPermission(text);
      if (asking === text) continue;
      await Deno.writeTextFile(`${ROOT}${path}`, asking);
      mutants.push(mutantsIn(asking));
    }
  }
  if (mutants.length === 0) throw new Error("Nothing is instrumented.");
  return mutants;
}

/** Runs every test file once, nothing mutated. */
async function makePlan(folders: readonly string[]): Promise<Plan> {
  const mutants = await prepare();
  const reached = await Deno.makeTempFile();
  const flags = [`--preload=${import.meta.dirname}/reached.ts`];
  const tests: TestFile[] = [];
  for (const folder of folders) {
    for (const path of await filesIn(folder, "_test.ts")) {
      await Deno.writeTextFile(reached, "[]");
      const start = performance.now();
      const env = { MUTANTS_REACHED: reached };
      const isSound = await passes(path, LONGEST, flags, env);
      tests.push({
        path,
        time: performance.now() - start,
        ...isSound && { reached: JSON.parse(await Deno.readTextFile(reached)) },
      });
    }
  }
  await Deno.remove(reached);
  return { tests, mutants };
}

async function main([notes, ...folders]: string[]): Promise<boolean> {
  if (notes === undefined) throw new TypeError("Where are the notes?");
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      end();
      Deno.exit(1);
    });
  }
  const mutant = Deno.env.get(MUTANT);
  if (mutant === undefined) {
    const plan = await makePlan(folders);
    await Deno.writeTextFile(notes, JSON.stringify(plan));
    return plan.tests.some(({ reached }) => reached !== undefined);
  }
  const plan = JSON.parse(await Deno.readTextFile(notes)) as Plan;
  for (const { path, time } of filesFor(mutant, plan)) {
    if (!await passes(path, 4 * time + SPARE)) return false;
  }
  return true;
}

if (import.meta.main) Deno.exit(await main(Deno.args) ? 0 : 1);
