/**
 * The options of a client and of a call, and how each is checked. What they mean is in
 * call/settings.ts.
 *
 * @module
 */
import {
  boolean,
  type Check,
  type Checks,
  checkSignal,
  duration,
  functionNamed,
  integerFrom,
  kindOf,
  limitFrom,
  object,
  optionsBy,
  orFalse,
  priorityOption,
  required,
  runnerOption,
  secret,
  wrong,
} from "../_internal/validate.ts";
import type { TaskPriority } from "../runner/priority.ts";
import type { TaskRunner } from "../runner/types.ts";
import { type Auth, authOption, BASIC_CHECKS } from "./auth.ts";
import type {
  BreakerRegistry,
  CircuitBreaker,
  CircuitBreakerOptions,
} from "./breaker/circuit_breaker.ts";
import { HEDGE_CHECKS, type HedgeOptions } from "./retry/hedge.ts";
import { HOOK_CHECKS, type HTTPHooks } from "./hooks.ts";
import { redactURL } from "./redact.ts";
import type {
  BodyFactory,
  BodySource,
  HeaderInit,
  Query,
} from "./request/request.ts";
import type { RetryPolicy, RetryPolicyOptions } from "./retry/retry_policy.ts";

/** The three time limits, in milliseconds. */
export interface TimeoutOptions {
  /**
   * Of one attempt: from its start until its body has been read whole; for a body that is taken
   * as a stream, until it begins. Waiting for a free connection does not count.
   * @default {30000}, or the environment variable SPECIFY_ASYNC_TIMEOUT (in seconds)
   */
  attempt?: number | undefined;
  /** Of the call: all attempts, the waits between them, and its body. @default {Infinity} */
  total?: number | undefined;
  /** Of the silence within a body: between two of its chunks. @default {Infinity} */
  idle?: number | undefined;
}

/** What a client has a default for and a call may set for itself. */
export interface SharedOptions {
  /** The time limits; a number is the limit of each attempt. */
  timeout?: number | TimeoutOptions | undefined;
  /** When to try again; `false` for never. @default {false} */
  retryPolicy?: RetryPolicy | RetryPolicyOptions | false | undefined;
  /** Stops calling what keeps failing; `false` for none. @default {false} */
  circuitBreaker?:
    | CircuitBreaker
    | BreakerRegistry
    | CircuitBreakerOptions
    | false
    | undefined;
  /**
   * A second request, when the first has not been answered after `delay`; the first good answer
   * counts, the other request is cancelled. Only for methods that may be retried. `false` for none.
   * @default {false}
   */
  hedge?: HedgeOptions | false | undefined;
  /** Sent as `Authorization`, and renewed once on a 401; `false` for none. */
  auth?: Auth | false | undefined;
  /** Functions that see, and may change, what goes out and comes in; `false` for none. */
  hooks?: HTTPHooks | false | undefined;
  /** Where calls queue for a slot, with everything else that this runner runs; `false` for none. */
  runner?: TaskRunner | false | undefined;
  /** The level that a call waits at in the runner. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /** Largest body in bytes, after decompression. @default {Infinity} */
  maxResponseBytes?: number | undefined;
  /** Redirects that are followed. @default {20} */
  maxRedirects?: number | undefined;
  /** In place of the global `fetch`. */
  fetch?: FetchFunction | undefined;
}

/** What stands in for `fetch`. */
export type FetchFunction = (
  url: string,
  init: RequestInit,
) => Promise<Response>;

/** Options of {@linkcode AsyncHTTPClient}. */
export interface AsyncHTTPClientOptions extends SharedOptions {
  /** What relative addresses are joined to, with one slash between. */
  baseUrl?: string | URL | undefined;
  /** Sent with every request. */
  headers?: HeaderInit | undefined;
  /**
   * Connections in use at a time; a request beyond waits. A response's connection is in use until
   * its body has been read or cancelled, so read each as it comes: whoever awaits more responses
   * than this before reading the first waits until the attempt's timeout. @default {Infinity}
   */
  maxConnections?: number | undefined;
  /** Connections in use at a time for each origin. @default {Infinity} */
  maxPerHost?: number | undefined;
  /** Ends every call of this client, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /**
   * Headers that are as secret as `Authorization`: not sent on to another origin by a redirect.
   * Authorization, Cookie, Proxy-Authorization and X-API-Key always are.
   */
  secretHeaders?: readonly string[] | undefined;
  /** Settings for `Deno.createHttpClient`: proxy, certificates, HTTP versions. Deno only. */
  transport?: TransportOptions | undefined;
}

/** What may be set of `Deno.createHttpClient`. */
export interface TransportOptions {
  /** Certificates to trust, as PEM. */
  caCerts?: string[] | undefined;
  /** A proxy to go through. */
  proxy?:
    | { url: string; basicAuth?: { username: string; password: string } }
    | undefined;
  /** The client's certificate, as PEM. */
  cert?: string | undefined;
  /** The certificate's key, as PEM. */
  key?: string | undefined;
  /** Whether HTTP/1.1 is spoken. */
  http1?: boolean | undefined;
  /** Whether HTTP/2 is spoken. */
  http2?: boolean | undefined;
}

/** Options of one call. */
export interface RequestOptions extends SharedOptions {
  /** Laid over the client's; `null` takes one away. */
  headers?: HeaderInit | undefined;
  /** Laid over the address's own query. */
  query?: Query | undefined;
  /**
   * The body. A stream or an async iterable can be sent only once, so such a call is not retried;
   * a function is called for each attempt.
   */
  body?: BodySource | BodyFactory | null | undefined;
  /** Sent as JSON, with the content type for it. */
  json?: unknown;
  /** Sent as a form: a record as URL-encoded pairs, FormData as multipart. */
  form?: FormData | Query | undefined;
  /** Ends the call at any time, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /**
   * Sends the request over a connection of its own. Fetch sends a request again by itself when a
   * kept connection turns out to be dead, so that a POST may arrive twice; this one cannot.
   * @default {false}
   */
  sendOnce?: boolean | undefined;
  /**
   * Passed to fetch as it is: `credentials`, `cache`, `mode` and the like; with `redirect: "manual"`
   * a redirect is the answer. What the call has an option for must be given there.
   */
  init?:
    | Omit<RequestInit, "method" | "headers" | "body" | "signal">
    | undefined;
}

/** Looked at where it is used, which takes it apart in any case. */
const whenUsed: Check = () => {};

/** An object that is made into what it describes, and checked then. */
function madeFrom(wanted: string): Check {
  return (name, value) => {
    if (typeof value === "object" && value !== null) return;
    throw wrong(name, wanted, value, false);
  };
}

const timeLimits = optionsBy<TimeoutOptions>({
  attempt: duration,
  total: duration,
  idle: duration,
});

const timeout: Check = (name, value) => {
  if (typeof value === "number") return duration(name, value);
  object(name, value, "a number of milliseconds or ");
  return timeLimits(name, value);
};

/** The checks of what a client has a default for. */
export const SHARED_CHECKS: Checks<SharedOptions> = {
  timeout,
  retryPolicy: orFalse(madeFrom("a RetryPolicy or its options")),
  circuitBreaker: orFalse(
    madeFrom("a CircuitBreaker, CircuitBreaker.perOrigin() or its options"),
  ),
  hedge: orFalse(optionsBy(HEDGE_CHECKS)),
  auth: orFalse(authOption),
  hooks: orFalse(optionsBy(HOOK_CHECKS)),
  runner: orFalse(runnerOption),
  priority: priorityOption,
  maxResponseBytes: limitFrom(0),
  maxRedirects: integerFrom(0),
  fetch: functionNamed,
};

const address: Check = (name, value) => {
  if (typeof value !== "string") {
    throw wrong(name, "an absolute address", value, false);
  }
  if (URL.canParse(value)) return;
  // Without a scheme, a user and a password stand at its beginning.
  const shown = redactURL(value).replace(/^[^/]*@/, "***@");
  throw wrong(name, "an absolute address", shown, false);
};

function arrayOfStrings(name: string, value: unknown): void {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) {
    return;
  }
  // Not shown: PEM text, whatever it is given as.
  throw new TypeError(
    `${name} must be an array of strings, got ${kindOf(value)}`,
  );
}

/** The checks of a client's options. */
export const CLIENT_CHECKS: Checks<AsyncHTTPClientOptions> = {
  ...SHARED_CHECKS,
  baseUrl: (name, value) => value instanceof URL || address(name, value),
  headers: whenUsed,
  maxConnections: limitFrom(1),
  maxPerHost: limitFrom(1),
  signal: checkSignal,
  secretHeaders: arrayOfStrings,
  transport: optionsBy<TransportOptions>({
    caCerts: arrayOfStrings,
    proxy: optionsBy<NonNullable<TransportOptions["proxy"]>>({
      url: required(address),
      basicAuth: optionsBy(BASIC_CHECKS),
    }),
    cert: secret,
    key: secret,
    http1: boolean,
    http2: boolean,
  }),
};

/** What the call has options for would be overruled in silence. */
const NOT_IN_INIT = ["method", "headers", "body", "signal"] as const;

function init(name: string, value: unknown): void {
  object(name, value);
  for (const each of NOT_IN_INIT) {
    if ((value as RequestInit)[each] === undefined) continue;
    throw new TypeError(
      `${name}.${each} must not be set; give it as the call's own ${each}`,
    );
  }
}

/** The checks of a call's options. */
export const REQUEST_CHECKS: Checks<RequestOptions> = {
  ...SHARED_CHECKS,
  headers: whenUsed,
  query: whenUsed,
  body: whenUsed,
  json: whenUsed,
  form: whenUsed,
  signal: checkSignal,
  sendOnce: boolean,
  init,
};
