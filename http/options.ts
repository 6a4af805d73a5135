/**
 * The options of a client and of a call, and how they are checked and laid over each other.
 *
 * @module
 */
import { TimerQueue } from "../_internal/timer_queue.ts";
import { environmentNumber } from "../_internal/environment.ts";
import {
  duration,
  functionNamed,
  integer,
  integerOrInfinity,
  object,
  show,
  wrong,
} from "../_internal/validate.ts";
import type { TaskPriority } from "../runner/priority.ts";
import { checkRunner } from "../runner/scheduler_options.ts";
import type { TaskRunner } from "../runner/types.ts";
import { type Auth, Authenticator } from "./auth.ts";
import { BreakerRegistry } from "./breaker_registry.ts";
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "./circuit_breaker.ts";
import { Connections } from "./connections.ts";
import { checkedHedge, type HedgeOptions } from "./hedge.ts";
import type { HTTPHooks } from "./hooks.ts";
import { type HTTPTelemetry, httpTelemetry } from "./http_telemetry.ts";
import {
  type BodyFactory,
  type BodySource,
  type HeaderInit,
  type HeaderRecord,
  headerRecord,
  type Query,
} from "./request.ts";
import { RetryPolicy, type RetryPolicyOptions } from "./retry_policy.ts";

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
  /** Passed to fetch as it is (`credentials`, `cache`, `mode` and the like). */
  init?: RequestInit | undefined;
}

/** Everything a call goes by, checked. */
export interface Settings {
  readonly baseUrl: string | undefined;
  readonly headers: HeaderRecord | undefined;
  readonly attemptTimeout: number;
  readonly totalTimeout: number;
  readonly idleTimeout: number;
  readonly retry: RetryPolicy | undefined;
  readonly breaker: CircuitBreaker | undefined;
  readonly breakers: BreakerRegistry | undefined;
  readonly hedge: HedgeOptions | undefined;
  readonly auth: Authenticator | undefined;
  readonly hooks: HTTPHooks | undefined;
  readonly runner: TaskRunner | undefined;
  readonly priority: TaskPriority | undefined;
  readonly maxResponseBytes: number;
  readonly maxRedirects: number;
  readonly fetch: FetchFunction | undefined;
  readonly connections: Connections | undefined;
  readonly secretHeaders: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
  /** The attempts' timeouts: setting and clearing a timer for each costs 20 us where they come one by one. */
  readonly timers: TimerQueue;
  /** Spans and metrics; `undefined` while nobody listens. */
  readonly telemetry: HTTPTelemetry | undefined;
}

const SECRET_HEADERS = [
  "authorization",
  "cookie",
  "proxy-authorization",
  "x-api-key",
];

/** Checks a client's options. */
export function clientSettings(options: AsyncHTTPClientOptions): Settings {
  const timeout = checkedTimeout(options.timeout);
  const maxConnections = integerOrInfinity(
    "maxConnections",
    options.maxConnections ?? Infinity,
    1,
  );
  const maxPerHost = integerOrInfinity(
    "maxPerHost",
    options.maxPerHost ?? Infinity,
    1,
  );
  const baseUrl = checkedBaseURL(options.baseUrl);
  checkSignal(options.signal);
  checkPriority(options.priority);
  if (options.transport !== undefined) object("transport", options.transport);
  return {
    ...checkedBreaker(options.circuitBreaker || undefined),
    baseUrl,
    headers: options.headers === undefined
      ? undefined
      : headerRecord(options.headers),
    attemptTimeout: timeout.attempt ??
      environmentNumber("SPECIFY_ASYNC_TIMEOUT", 30, {
          least: 0,
          whole: false,
        }) * 1000,
    totalTimeout: timeout.total ?? Infinity,
    idleTimeout: timeout.idle ?? Infinity,
    retry: checkedRetry(options.retryPolicy || undefined),
    hedge: checkedHedge(options.hedge || undefined),
    auth: checkedAuth(options.auth || undefined, baseUrl),
    hooks: checkedHooks(options.hooks || undefined),
    runner: checkedRunner(options.runner || undefined),
    priority: options.priority,
    maxResponseBytes: integerOrInfinity(
      "maxResponseBytes",
      options.maxResponseBytes ?? Infinity,
      0,
    ),
    maxRedirects: integer("maxRedirects", options.maxRedirects ?? 20, 0),
    fetch: options.fetch === undefined
      ? undefined
      : functionNamed("fetch", options.fetch),
    connections: maxConnections === Infinity && maxPerHost === Infinity
      ? undefined
      : new Connections(maxConnections, maxPerHost),
    secretHeaders: new Set([
      ...SECRET_HEADERS,
      ...checkedNames(options.secretHeaders ?? []),
    ]),
    signal: options.signal,
    timers: new TimerQueue(false, true),
    telemetry: httpTelemetry(),
  };
}

/**
 * How many idle connections are kept for each host: as many as may be in use, or by the
 * environment variable SPECIFY_ASYNC_POOL_SIZE.
 */
export function idlePerHost(options: AsyncHTTPClientOptions): number {
  const most = Math.min(
    options.maxPerHost ?? Infinity,
    options.maxConnections ?? Infinity,
  );
  return most === Infinity
    ? environmentNumber("SPECIFY_ASYNC_POOL_SIZE", 100, {
      least: 1,
      whole: true,
    })
    : most;
}

/** The client's settings with what the call sets for itself. */
export function callSettings(
  settings: Settings,
  options: RequestOptions,
): Settings {
  // Nothing set: nothing made.
  if (
    options.timeout === undefined && options.retryPolicy === undefined &&
    options.circuitBreaker === undefined && options.hedge === undefined &&
    options.auth === undefined && options.hooks === undefined &&
    options.runner === undefined && options.priority === undefined &&
    options.maxResponseBytes === undefined &&
    options.maxRedirects === undefined && options.fetch === undefined
  ) return settings;
  const timeout = checkedTimeout(options.timeout);
  checkPriority(options.priority);
  return {
    ...settings,
    ...(options.circuitBreaker === undefined
      ? undefined
      : checkedBreaker(options.circuitBreaker || undefined)),
    attemptTimeout: timeout.attempt ?? settings.attemptTimeout,
    totalTimeout: timeout.total ?? settings.totalTimeout,
    idleTimeout: timeout.idle ?? settings.idleTimeout,
    retry: options.retryPolicy === undefined
      ? settings.retry
      : checkedRetry(options.retryPolicy || undefined),
    hedge: options.hedge === undefined
      ? settings.hedge
      : checkedHedge(options.hedge || undefined),
    auth: options.auth === undefined
      ? settings.auth
      : checkedAuth(options.auth || undefined, settings.baseUrl),
    hooks: options.hooks === undefined
      ? settings.hooks
      : checkedHooks(options.hooks || undefined),
    runner: options.runner === undefined
      ? settings.runner
      : checkedRunner(options.runner || undefined),
    priority: options.priority ?? settings.priority,
    maxResponseBytes: options.maxResponseBytes === undefined
      ? settings.maxResponseBytes
      : integerOrInfinity("maxResponseBytes", options.maxResponseBytes, 0),
    maxRedirects: options.maxRedirects === undefined
      ? settings.maxRedirects
      : integer("maxRedirects", options.maxRedirects, 0),
    fetch: options.fetch === undefined
      ? settings.fetch
      : functionNamed("fetch", options.fetch),
  };
}

/** Checks a `signal` option. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrong("signal", "an AbortSignal", signal, false);
  }
}

/** The policy and the breaker of options, made: what many calls are to share. */
export function sharedState(
  { retryPolicy, circuitBreaker }: SharedOptions,
): Pick<SharedOptions, "retryPolicy" | "circuitBreaker"> {
  const { breaker, breakers } = checkedBreaker(circuitBreaker || undefined);
  return {
    retryPolicy: checkedRetry(retryPolicy || undefined) ?? retryPolicy,
    circuitBreaker: breaker ?? breakers ?? circuitBreaker,
  };
}

function checkedTimeout(
  timeout: number | TimeoutOptions | undefined,
): TimeoutOptions {
  if (timeout === undefined) return {};
  if (typeof timeout === "number") {
    return { attempt: duration("timeout", timeout) };
  }
  if (typeof timeout !== "object" || timeout === null) {
    throw new TypeError(
      `timeout must be a number of milliseconds or { attempt, total, idle }, got ${
        show(timeout)
      }`,
    );
  }
  const { attempt, total, idle } = timeout;
  if (attempt !== undefined) duration("timeout.attempt", attempt);
  if (total !== undefined) duration("timeout.total", total);
  if (idle !== undefined) duration("timeout.idle", idle);
  return timeout;
}

function checkedBaseURL(baseUrl: string | URL | undefined): string | undefined {
  if (baseUrl === undefined) return undefined;
  const text = String(baseUrl);
  if (!URL.canParse(text)) {
    throw new TypeError(
      `baseUrl must be an absolute address, got ${show(baseUrl)}`,
    );
  }
  return text;
}

function checkedRetry(
  policy: RetryPolicy | RetryPolicyOptions | undefined,
): RetryPolicy | undefined {
  if (policy === undefined || policy instanceof RetryPolicy) return policy;
  if (typeof policy !== "object") {
    throw new TypeError(
      `retryPolicy must be a RetryPolicy or its options, got ${show(policy)}`,
    );
  }
  return new RetryPolicy(policy);
}

function checkedBreaker(
  breaker:
    | CircuitBreaker
    | BreakerRegistry
    | CircuitBreakerOptions
    | undefined,
): Pick<Settings, "breaker" | "breakers"> {
  if (breaker instanceof BreakerRegistry) {
    return { breaker: undefined, breakers: breaker };
  }
  if (breaker === undefined || breaker instanceof CircuitBreaker) {
    return { breaker, breakers: undefined };
  }
  if (typeof breaker !== "object") {
    throw new TypeError(
      `circuitBreaker must be a CircuitBreaker, CircuitBreaker.perOrigin() or its options, got ${
        show(breaker)
      }`,
    );
  }
  return { breaker: new CircuitBreaker(breaker), breakers: undefined };
}

function checkedAuth(
  auth: Auth | undefined,
  baseUrl: string | undefined,
): Authenticator | undefined {
  return auth === undefined ? undefined : new Authenticator(auth, baseUrl);
}

function checkedHooks(hooks: HTTPHooks | undefined): HTTPHooks | undefined {
  if (hooks === undefined) return undefined;
  object("hooks", hooks);
  for (
    const name of [
      "beforeRequest",
      "beforeRetry",
      "afterResponse",
      "beforeError",
    ] as const
  ) {
    if (hooks[name] !== undefined) functionNamed(`hooks.${name}`, hooks[name]);
  }
  return hooks;
}

function checkPriority(priority: unknown): void {
  if (priority !== undefined) integer("priority", priority, 0);
}

function checkedNames(names: readonly string[]): string[] {
  if (
    !Array.isArray(names) || !names.every((name) => typeof name === "string")
  ) {
    throw wrong("secretHeaders", "an array of headers' names", names, false);
  }
  return names.map((name) => name.toLowerCase());
}

/** Checks a `runner` option. */
export function checkedRunner(
  runner: TaskRunner | undefined,
): TaskRunner | undefined {
  return runner === undefined ? undefined : checkRunner(runner);
}
