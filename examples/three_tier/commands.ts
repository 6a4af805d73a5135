/**
 * The command layer: arguments in, text and an exit code out.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { HTTPStatusError } from "../../mod.ts";
import { type OwnerSummary, summarize } from "./operations.ts";
import { createRuntime, type Runtime } from "./runtime.ts";

/** What `--help` shows. */
export const usage = `Sums up the repositories of owners.

Usage: three_tier.ts <owner>... --api <url> [--out <file.json>]

Exit code: 0 done, 1 the API or the disk refused, 2 bad arguments.
`;

/** Runs the command line `words`; returns the exit code. */
export async function runCommand(
  words: string[],
  signal: AbortSignal,
  connect: (baseUrl: string) => Runtime = createRuntime,
): Promise<number> {
  let owners, api, out, help;
  try {
    ({ positionals: owners, values: { api, out, help } } = parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        api: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  if (help) {
    console.log(usage);
    return 0;
  }
  if (owners.length === 0 || api === undefined || !URL.canParse(api)) {
    console.error(usage);
    return 2;
  }
  await using runtime = connect(api);
  try {
    const summaries = await summarize(runtime, owners, signal);
    if (out === undefined) console.log(formatTable(summaries));
    else await runtime.writeReport(out, JSON.stringify(summaries), signal);
    return 0;
  } catch (error) {
    signal.throwIfAborted();
    const isUnknown = error instanceof HTTPStatusError && error.status === 404;
    console.error(isUnknown ? `No such owner: ${error.url}` : String(error));
    return 1;
  }
}

function formatTable(summaries: OwnerSummary[]): string {
  return summaries.map(({ owner, repositories, stars, best }) =>
    `${owner}: ${repositories} repositories, ${stars} stars, best ${best}`
  ).join("\n");
}
