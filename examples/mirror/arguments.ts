/**
 * The command line: `mirror.ts [origin-url] [folder] [--workers n] [--help]`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { BadInputError, because } from "./bad_input.ts";

/** What was asked for on the command line. */
export interface Arguments {
  /** Where the manifest is; undefined for the program's own origin. */
  readonly origin: URL | undefined;
  /** The folder that becomes the mirror. */
  readonly folder: string;
  /** How many files are worked on at a time. */
  readonly workers: number;
  /** Only show how it is used. */
  readonly help: boolean;
}

/** What `--help` shows. */
export const usage = `Mirrors a file tree from an HTTP origin to a folder.

Usage: mirror.ts [origin-url] [folder] [--workers n] [--help]

  origin-url   where manifest.json and the files are; without it the program
               starts an origin of its own, which misbehaves as real ones do
  folder       where the files go (default: ./mirror)
  --workers n  how many files are worked on at a time (default: 16)

Run again after an interruption: what is there already is kept.
Exit code: 0 all is there, 1 something that the origin could serve is missing
or different, 2 bad input, 130 interrupted.
`;

/**
 * Reads the command line.
 *
 * @throws {BadInputError} When it says something that is not understood.
 */
export function readArguments(words: string[]): Arguments {
  let parsed;
  try {
    parsed = parseArgs({
      args: words,
      allowPositionals: true,
      options: {
        workers: { type: "string", default: "16" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // Its message goes on with advice on how to quote; the first sentence says it all.
    const [problem] = because(error).split(/\. /);
    throw new BadInputError(`${problem}. See --help.`, { cause: error });
  }
  const [origin, folder = "./mirror", ...rest] = parsed.positionals;
  if (rest.length > 0) {
    throw new BadInputError(
      `Expected an origin and a folder, got also "${
        rest.join('" "')
      }". See --help.`,
    );
  }
  if (folder.trim() === "") {
    throw new BadInputError("The folder must not be empty. See --help.");
  }
  const workers = Number(parsed.values.workers);
  if (!Number.isSafeInteger(workers) || workers < 1) {
    throw new BadInputError(
      `--workers must be a positive integer, got "${parsed.values.workers}".`,
    );
  }
  return {
    origin: origin === undefined ? undefined : originUrl(origin),
    folder,
    workers,
    help: parsed.values.help,
  };
}

function originUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new BadInputError(
      `The origin must be an http or https URL, got "${text}".`,
    );
  }
  // Files are resolved against it: "https://host/tree" means the folder, not its parent.
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
