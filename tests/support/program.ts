/**
 * Programs run as a reader would run them, with exactly the permissions they are said to need.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** How a program ended, and what it said. */
export interface ProgramOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = new URL("../../", import.meta.url);

/** Runs `examples/<name>` to its end, which comes within a minute. */
export async function runExample(
  name: string,
  permissions: string[],
  words: string[] = [],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<ProgramOutput> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      `--config=${fromFileUrl(new URL("deno.json", root))}`,
      ...permissions,
      fromFileUrl(new URL(`examples/${name}`, root)),
      ...words,
    ],
    env: { NO_COLOR: "1", ...options.env },
    ...(options.cwd === undefined ? undefined : { cwd: options.cwd }),
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code: output.code,
    stdout: text(output.stdout),
    stderr: text(output.stderr),
  };
}
