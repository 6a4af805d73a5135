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
  const parts = [error.message];
  // fetch says "fetch failed" and keeps the reason in its cause.
  for (
    let cause = error.cause;
    cause instanceof Error && parts.length < 3;
    cause = cause.cause
  ) {
    if (!parts.some((part) => part.includes((cause as Error).message))) {
      parts.push(cause.message);
    }
  }
  return parts.join(": ").replaceAll(/\s+/g, " ");
}
