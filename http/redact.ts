/**
 * Keeps secrets out of messages: an address is shown without password, fragment and query values.
 *
 * @module
 */

const HIDDEN = "***";

/** The address with each query value, the password and the fragment taken out. */
export function redactURL(url: string): string {
  let shown = url;
  const fragment = shown.indexOf("#");
  if (fragment !== -1) shown = shown.slice(0, fragment);
  const question = shown.indexOf("?");
  let query = "";
  if (question !== -1) {
    query = "?" + shown.slice(question + 1).split("&").map(hideValue).join("&");
    shown = shown.slice(0, question);
  }
  const authority = shown.indexOf("//");
  if (authority !== -1) {
    const path = shown.slice(authority + 2).search(/[/\\]/);
    const end = path === -1 ? shown.length : authority + 2 + path;
    const at = shown.lastIndexOf("@", end);
    if (at > authority) {
      shown = shown.slice(0, authority + 2) + HIDDEN + shown.slice(at);
    }
  }
  return shown + query;
}

function hideValue(pair: string): string {
  const equals = pair.indexOf("=");
  // A query without "=" is a value as likely as a name.
  return equals === -1
    ? (pair === "" ? "" : HIDDEN)
    : pair.slice(0, equals + 1) + HIDDEN;
}

/**
 * Takes what `redactURL` hides of `url` out of the message and the stack of `error` and of its
 * causes, in place. Only for errors that the runtime made for this one call: it puts the whole
 * address into them.
 */
export function redactError(error: unknown, url: string): void {
  const hidden = new Map([[url, redactURL(url)]]);
  const start = url.indexOf("?");
  if (start !== -1) {
    const end = url.indexOf("#", start);
    const query = url.slice(start, end === -1 ? undefined : end);
    hidden.set(query, redactURL(query));
    // What the runtime prints went through its URL parser, which may encode differently.
    if (URL.canParse(url)) hidden.set(new URL(url).search, redactURL(query));
  }
  for (const each of chainOf(error)) {
    each.message = hide(each.message, hidden);
    if (each.stack !== undefined) each.stack = hide(each.stack, hidden);
  }
}

function hide(text: string, hidden: ReadonlyMap<string, string>): string {
  let result = text;
  for (const [secret, shown] of hidden) {
    if (secret.length > 1) result = result.replaceAll(secret, () => shown);
  }
  return result;
}

/** The error, its cause, and so on. */
export function* chainOf(error: unknown): IterableIterator<Error> {
  for (
    let each = error, depth = 0;
    each instanceof Error && depth < 8;
    each = each.cause, depth++
  ) yield each;
}

/** Gives an error another message; its stack was written with the old one. */
export function reword(error: Error, message: string): void {
  const { message: old, stack } = error;
  error.message = message;
  if (stack !== undefined) error.stack = stack.replace(old, () => message);
}
