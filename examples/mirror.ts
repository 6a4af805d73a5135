/**
 * Mirrors a file tree from an HTTP origin to a folder: small files first, large ones streamed,
 * every SHA-256 checked, all through one runner. Usage: `mirror.ts --help`.
 *
 * @module
 */
import { asyncRun } from "../mod.ts";
import { readArguments, usage } from "./mirror/arguments.ts";
import { BadInputError, because } from "./mirror/bad_input.ts";
import { measureSequential } from "./mirror/sequential.ts";
import { mirrorTree } from "./mirror/job.ts";
import { OwnOrigin } from "./mirror/own_origin.ts";
import { startDisplay } from "./mirror/progress.ts";
import {
  exitCode,
  formatReport,
  type Sequential,
  type Summary,
} from "./mirror/report.ts";

async function main(words: string[], signal: AbortSignal): Promise<number> {
  const { help, folder, workers, ...given } = readArguments(words);
  if (help) {
    console.log(usage);
    return 0;
  }
  await using own = given.origin === undefined
    ? await OwnOrigin.start(signal)
    : undefined;
  const origin = own?.origin.url ?? given.origin as URL; // one of the two, see above
  const { summary, wanted } = await mirrorTree({
    origin,
    folder,
    workers,
    signal,
    display: (read) => {
      console.error(`Mirroring ${origin} to ${folder}`);
      return startDisplay(read);
    },
  });
  const sequential = await compare(own, summary, wanted, signal)
    .catch((error: unknown): Sequential => {
      if (!signal.aborted) throw error;
      return { elapsed: undefined, how: "not measured: interrupted" };
    });
  console.log(formatReport(summary, sequential));
  signal.throwIfAborted();
  return exitCode(summary);
}

/** Only the program's own origin is asked for everything twice. */
async function compare(
  own: OwnOrigin | undefined,
  { fetched }: Summary,
  wanted: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Sequential> {
  if (fetched === 0) {
    return { elapsed: undefined, how: "not measured: nothing was fetched" };
  }
  if (own === undefined) {
    return { elapsed: undefined, how: "not measured: it would fetch it twice" };
  }
  console.error("The same work once more with one worker, for comparison");
  return await measureSequential(own.origin, wanted, signal);
}

/** What the program says and ends with when it does not come to its end. */
function failure(error: unknown, signal: AbortSignal): number {
  if (signal.aborted) {
    console.error(
      "Interrupted. What is in place is whole; run again to go on.",
    );
    return 130;
  }
  if (error instanceof BadInputError) {
    console.error(error.message);
    return 2;
  }
  console.error(`Failed: ${because(error)}`);
  return 1;
}

if (import.meta.main) {
  Deno.exitCode = await asyncRun(async ({ signal }) => {
    try {
      return await main(Deno.args, signal);
    } catch (error) {
      return failure(error, signal);
    }
  }, { handleSignals: true });
}
