/**
 * Runs a `deno test` command, and each file that failed once more, alone. A file that passes then
 * is flaky: it is named, and its tests count as passed. One that fails again has failed, and so has
 * a run that ends without naming every file that failed: it did not type-check, hung or crashed.
 *
 * Usage: `deno run --allow-run tools/test_twice.ts COMMAND...`, where `COMMAND...` runs
 * `deno test --parallel --quiet` (in parallel each line of the output names its file) and takes files
 * at its end. The last lines are `flaky: FILE` for each such file, and `N passed, N failed`.
 *
 * @module
 */
import { TextLineStream } from "@std/streams/text-line-stream";

/** What `deno test` says of a run. */
export interface TestOutcome {
  readonly passed: number;
  readonly failed: number;
  /** Where something failed, as far as that explains every failure; otherwise empty. */
  readonly files: readonly string[];
}

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(\d+ steps?\))?(?: \| (\d+) failed(?: \((\d+) steps?\))?)?/;
const FAILURE =
  /^(.+?) => .* \.\.\. (?:FAILED|cancelled) \([^()]+\)(?: \([^()]+\))?$/;
const UNCAUGHT = /^Uncaught error from (.+) FAILED$/;

/** Reads what `deno test --parallel --quiet` has printed. */
export function readOutcome(output: string): TestOutcome {
  const lines = output.split(/\r?\n/);
  // What follows the results are messages of errors, in which anything may stand.
  const end = lines.indexOf(" ERRORS ");
  const files: string[] = [];
  for (const line of end === -1 ? lines : lines.slice(0, end)) {
    const file = (FAILURE.exec(line) ?? UNCAUGHT.exec(line))?.[1];
    // An example in the documentation is `./docs/HTTP.md#12-20.ts`: run again with its file.
    if (file !== undefined) files.push(file.replace(/#\d+-\d+\.\w+$/, ""));
  }
  const summary = lines.findLast((line) => SUMMARY.test(line)) ?? "";
  const [passed = 0, failed = 0, failedSteps = 0] =
    SUMMARY.exec(summary)?.slice(1).map((text) => Number(text ?? 0)) ?? [];
  const isExplained = files.length === failed + failedSteps;
  return { passed, failed, files: isExplained ? [...new Set(files)] : [] };
}

/** A run of the command, with `file` or with all files. */
export type TestRun = (
  file?: string,
) => Promise<{ success: boolean; output: string }>;

/** What came of both runs. */
export interface TestVerdict {
  readonly passed: number;
  readonly failed: number;
  readonly flaky: readonly string[];
}

/** Runs all, then alone what failed. */
export async function testTwice(run: TestRun): Promise<TestVerdict> {
  const first = await run();
  const { passed, failed, files } = readOutcome(first.output);
  if (first.success) return { passed, failed, flaky: [] };
  if (files.length === 0) {
    return { passed, failed: Math.max(1, failed), flaky: [] };
  }
  const flaky: string[] = [];
  let failedAgain = 0;
  for (const file of files) {
    const second = await run(file);
    if (second.success) flaky.push(file);
    else failedAgain += Math.max(1, readOutcome(second.output).failed);
  }
  return {
    passed: Math.max(0, passed + failed - failedAgain),
    failed: failedAgain,
    flaky,
  };
}

/** Runs `command`; its output is seen as it comes. */
function runner([command, ...args]: string[]): TestRun {
  if (command === undefined) {
    throw new TypeError("No command. Usage: tools/test_twice.ts COMMAND...");
  }
  return async (file) => {
    if (file !== undefined) console.log(`\nOnce more, alone: ${file}`);
    const child = new Deno.Command(command, {
      args: file === undefined ? args : [...args, file],
      stdin: "null",
      stdout: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    let output = "";
    for await (const line of lines) {
      output += `${line}\n`;
      console.log(line);
    }
    return { success: (await child.status).success, output };
  };
}

if (import.meta.main) {
  const { passed, failed, flaky } = await testTwice(runner(Deno.args));
  console.log();
  for (const file of flaky) console.log(`flaky: ${file}`);
  console.log(`${passed} passed, ${failed} failed`);
  Deno.exitCode = failed === 0 ? 0 : 1;
}
