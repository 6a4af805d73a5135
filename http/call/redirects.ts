/**
 * What is sent after a redirect: fetch's rules, and that secrets stay with their origin.
 *
 * @module
 */
import type { Call } from "./call.ts";
import { RedirectError } from "../errors/redirect_error.ts";
import { redactError } from "../redact.ts";
import { type HeaderRecord, originOf } from "../request/request.ts";

/** A response that redirects. */
export interface Redirect {
  readonly status: number;
  readonly location: string;
  /** Redirects followed before this one. */
  readonly count: number;
}

const BODY_HEADERS = [
  "content-type",
  "content-length",
  "content-encoding",
  "content-language",
  "content-location",
];

/** Changes `init` to what the next request sends, and returns its address. */
export function nextRequest(
  call: Call,
  from: string,
  init: RequestInit,
  { status, location, count }: Redirect,
): { url: string; resend: boolean } {
  const { maxRedirects, secretHeaders } = call.settings;
  if (count >= maxRedirects) {
    throw new RedirectError(
      call.url,
      `there were more than maxRedirects allows (${maxRedirects})`,
    );
  }
  let url: URL;
  try {
    url = new URL(location, from);
  } catch (cause) {
    redactError(cause, location);
    redactError(cause, from);
    throw new RedirectError(from, "its Location is no valid address", {
      cause,
    });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new RedirectError(from, `it leads to ${url.protocol}`);
  }
  if (url.hash === "") {
    const fragment = from.indexOf("#");
    if (fragment !== -1) url.hash = from.slice(fragment);
  }
  let headers = { ...(init.headers as HeaderRecord | undefined) };
  const method = init.method ?? "GET";
  const becomesGet = status === 303
    ? method !== "GET" && method !== "HEAD"
    : (status === 301 || status === 302) && method === "POST";
  if (becomesGet) {
    init.method = "GET";
    delete init.body;
    headers = without(headers, (name) => BODY_HEADERS.includes(name));
  } else if (init.body !== undefined && call.body?.replayable === false) {
    throw new RedirectError(
      from,
      `status ${status} asks for the body again, and a stream cannot be sent twice; pass a function that makes it`,
    );
  }
  if (originOf(from) !== url.origin) {
    headers = without(headers, (name) => secretHeaders.has(name));
  }
  init.headers = headers;
  return { url: url.href, resend: init.body !== undefined };
}

function without(
  headers: HeaderRecord,
  isLeftOut: (name: string) => boolean,
): HeaderRecord {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !isLeftOut(name)),
  );
}
