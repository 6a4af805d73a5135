/**
 * From what the caller gives to what is sent: address, headers, body.
 *
 * @module
 */
import { object, show } from "../../_internal/validate.ts";
import { InvalidRequestError } from "../errors/invalid_request_error.ts";
import { redactError } from "../redact.ts";

/** Values of a query or a form: an array gives the name several times, `null` and `undefined` leave it out. */
export type QueryValue =
  | string
  | number
  | boolean
  | bigint
  | Date
  | null
  | undefined;

/** A query: pairs, a record, or the text itself. */
export type Query =
  | string
  | URLSearchParams
  | Record<string, QueryValue | readonly QueryValue[]>;

/** Headers: any of fetch's forms; in a record, `null` or `undefined` takes a header of the client away. */
export type HeaderInit =
  | HeadersInit
  | Record<string, string | null | undefined>;

/** Headers as they are sent: lower-case names. A plain record: `new Headers()` costs 7 us. */
export type HeaderRecord = Record<string, string>;

/** What a body may be. */
export type BodySource = BodyInit | AsyncIterable<Uint8Array | string>;

/** What a function that makes a body is given. */
export interface BodyContext {
  /** Which attempt the body is for, from 1. */
  readonly attempt: number;
}

/** A body that can be made again for each attempt. */
export type BodyFactory = (
  context: BodyContext,
) => BodySource | Promise<BodySource>;

const ABSOLUTE = /^[a-z][a-z0-9+.-]*:/i;

/** Joins `url` to `baseUrl` and merges the queries. Absolute addresses stand for themselves. */
export function buildURL(
  method: string,
  url: string | URL,
  baseUrl: string | undefined,
  query: Query | undefined,
): string {
  let text = urlText(url);
  if (baseUrl !== undefined && !ABSOLUTE.test(text)) {
    text = joinURL(baseUrl, text);
  }
  if (query === undefined) return text;
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch (cause) {
    redactError(cause, text);
    const problem = addressProblem(text)!; // it has one: it was refused
    throw new InvalidRequestError(method, text, problem, { cause });
  }
  mergeQuery(parsed.searchParams, query, "query");
  return parsed.href;
}

/** Why no request can go to `url`; `undefined` when one can. */
export function addressProblem(url: string): string | undefined {
  if (URL.canParse(url)) return undefined;
  return ABSOLUTE.test(url)
    ? "it is no valid address"
    : "it is not absolute, and there is no baseUrl to join it to";
}

/** An address given as text or as a URL. */
export function urlText(url: unknown): string {
  if (typeof url === "string") return url;
  if (url instanceof URL) return url.href;
  throw new TypeError(`url must be a string or a URL, got ${show(url)}`);
}

/** `base` and `path` with exactly one slash between them; the query of `base` is kept. */
export function joinURL(base: string, path: string): string {
  const fragment = base.indexOf("#");
  const whole = fragment === -1 ? base : base.slice(0, fragment);
  const question = whole.indexOf("?");
  const prefix = question === -1 ? whole : whole.slice(0, question);
  const baseQuery = question === -1 ? "" : whole.slice(question + 1);
  const pathQuestion = path.search(/[?#]/);
  const rest = pathQuestion === -1 ? path : path.slice(0, pathQuestion);
  let query = pathQuestion === -1 ? "" : path.slice(pathQuestion);
  // A leading slash, or several, stays below the base: `//other.example` must not leave it.
  const joined = rest === ""
    ? prefix
    : `${prefix.replace(/\/+$/, "")}/${rest.replace(/^[/\\]+/, "")}`;
  if (baseQuery !== "") {
    query = query.startsWith("?")
      ? `?${baseQuery}&${query.slice(1)}`
      : `?${baseQuery}${query}`;
  }
  return joined + query;
}

/** Sets the names of `query` in `params`, replacing what is there. */
function mergeQuery(
  params: URLSearchParams,
  query: Query,
  option: string,
): void {
  if (typeof query === "string" || query instanceof URLSearchParams) {
    const added = new URLSearchParams(query);
    for (const name of new Set(added.keys())) params.delete(name);
    for (const [name, value] of added) params.append(name, value);
    return;
  }
  object(option, query, "text or ");
  if (Symbol.iterator in query) {
    throw new TypeError(
      `${option} must be text, URLSearchParams or a plain object, got ${
        show(query)
      }`,
    );
  }
  for (const [name, value] of Object.entries(query)) {
    params.delete(name);
    appendValues(params, name, value, option);
  }
}

function appendValues(
  params: URLSearchParams,
  name: string,
  value: QueryValue | readonly QueryValue[],
  option: string,
): void {
  for (const each of Array.isArray(value) ? value : [value]) {
    if (each === null || each === undefined) continue;
    params.append(name, queryText(each, `${option}.${name}`));
  }
}

/** Not `String(value)` for all: nobody wants to send "[object Object]". */
function queryText(value: unknown, name: string): string {
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    return value.toISOString();
  }
  if (typeof value === "object" || typeof value === "function") {
    throw new TypeError(
      `${name} must be text, a number, a boolean or a valid Date, got ${
        value instanceof Date ? "an invalid Date" : show(value)
      }`,
    );
  }
  return String(value);
}

/** A form as fetch sends it; a record becomes URL-encoded pairs. */
export function buildForm(
  form: FormData | Query,
): FormData | URLSearchParams {
  if (form instanceof FormData || form instanceof URLSearchParams) return form;
  const params = new URLSearchParams();
  mergeQuery(params, form, "form");
  return params;
}

/** Any form of headers as a record of lower-case names. */
export function headerRecord(
  headers: HeaderInit,
  into: HeaderRecord = {},
): HeaderRecord {
  object("headers", headers);
  if (Symbol.iterator in headers) {
    const given: HeaderRecord = {};
    for (const [name, value] of pairsOf(headers)) {
      const key = name.toLowerCase();
      given[key] = key in given ? `${given[key]}, ${value}` : value;
    }
    return Object.assign(into, given);
  }
  for (const name in headers) {
    const value = (headers as Record<string, unknown>)[name];
    const key = name.toLowerCase();
    if (value === null || value === undefined) delete into[key];
    else if (typeof value !== "object" || Array.isArray(value)) {
      into[key] = String(value);
    } else {
      throw new TypeError(
        `headers.${name} must be text, got ${show(value)}`,
      );
    }
  }
  return into;
}

/** The pairs of Headers, an array of pairs, a Map. */
function* pairsOf(
  headers: Iterable<unknown>,
): IterableIterator<[string, string]> {
  for (const pair of headers) {
    const [name, value, ...rest] = Array.isArray(pair) ? pair : [];
    if (
      typeof name !== "string" || typeof value !== "string" || rest.length > 0
    ) {
      throw new TypeError(
        `headers must hold pairs of a name and a value, got ${show(pair)}`,
      );
    }
    yield [name, value];
  }
}

/** The defaults with the call's own laid over them; neither is changed. */
export function mergeHeaders(
  defaults: HeaderRecord | undefined,
  own: HeaderInit | undefined,
): HeaderRecord | undefined {
  if (own === undefined) return defaults;
  return headerRecord(own, defaults === undefined ? {} : { ...defaults });
}

const origins = new Map<string, string>();
const MAX_ORIGINS = 1000;

/** The origin of an absolute address; its start up to the path is parsed once and remembered. */
export function originOf(url: string): string {
  const scheme = url.indexOf("//");
  if (scheme === -1) return "";
  let end = scheme + 2;
  for (; end < url.length; end++) {
    const code = url.charCodeAt(end);
    // "/", "?", "#", "\"
    if (code === 47 || code === 63 || code === 35 || code === 92) break;
  }
  const start = url.slice(0, end);
  let origin = origins.get(start);
  if (origin === undefined) {
    origin = URL.canParse(start) ? new URL(start).origin : "";
    if (origins.size >= MAX_ORIGINS) origins.clear();
    origins.set(start, origin);
  }
  return origin;
}
