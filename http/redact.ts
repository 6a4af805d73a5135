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
  const at = shown.lastIndexOf("@");
  if (authority !== -1 && at > authority) {
    const path = shown.indexOf("/", authority + 2);
    if (path === -1 || at < path) {
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
 * Takes the query of `url` out of the message and the stack of `error` and of its causes, in
 * place. Only for errors that fetch made for this one call: the runtime puts the whole address
 * into them.
 */
export function redactError(error: unknown, url: string): void {
  const start = url.indexOf("?");
  if (start === -1) return;
  const end = url.indexOf("#", start);
  const query = url.slice(start, end === -1 ? undefined : end);
  if (query.length < 2) return;
  const shown = redactURL(query);
  // What the runtime prints went through its URL parser, which may encode differently.
  let parsed = query;
  try {
    parsed = new URL(url).search;
  } catch {
    // Not absolute: printed as given.
  }
  for (
    let each: unknown = error, depth = 0;
    each instanceof Error && depth < 8;
    each = each.cause, depth++
  ) {
    each.message = hide(each.message, query, parsed, shown);
    if (each.stack !== undefined) {
      each.stack = hide(each.stack, query, parsed, shown);
    }
  }
}

function hide(
  text: string,
  query: string,
  parsed: string,
  shown: string,
): string {
  const once = text.replaceAll(query, shown);
  return parsed.length > 1 ? once.replaceAll(parsed, shown) : once;
}
