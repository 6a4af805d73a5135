/**
 * What the person who starts the program can put right: one clear line and exit code 2.
 *
 * @module
 */

/** Bad input; the message is the one line that is shown. */
export class BadInputError extends Error {
  override readonly name = "BadInputError";
}

/** The shortest text that says what went wrong, for use at the end of a line. */
export function because(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.replaceAll(/\s+/g, " ").replace(/\.$/, "");
}
