/**
 * What a client and its calls go by: their options checked, and laid over each other.
 *
 * @module
 */
import { environmentNumber } from "../../_internal/environment.ts";
import { TimerQueue } from "../../_internal/timer_queue.ts";
import {
  boolean,
  checkRunner,
  checkSignal as checkGiven,
  duration,
  functionNamed,
  integer,
  integerOrInfinity,
  object,
  show,
  wrong,
} from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { type Auth, Authenticator } from "../auth.ts";
import { BreakerRegistry } from "../breaker/registry.ts";
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
} from "../breaker/circuit_breaker.ts";
import { Connections } from "./connections.ts";
import { checkedHedge, type HedgeOptions } from "../retry/hedge.ts";
import type { HTTPHooks } from "../hooks.ts";
import { type HTTPTelemetry, httpTelemetry } from "./telemetry.ts";
import type {
  AsyncHTTPClientOptions,
  FetchFunction,
  RequestOptions,
  SharedOptions,
  TimeoutOptions,
  TransportOptions,
} from "../options.ts";
import { redactURL } from "../redact.ts";
import { type HeaderRecord, headerRecord } from "../request/request.ts";
import { RetryPolicy, type RetryPolicyOptions } from "../retry/retry_policy.ts";

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
  checkTransport(options.transport);
  return {
    ...checkedBreaker(orNone(options.circuitBreaker)),
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
    retry: checkedRetry(orNone(options.retryPolicy)),
    hedge: checkedHedge(orNone(options.hedge)),
    auth: checkedAuth(orNone(options.auth), baseUrl),
    hooks: checkedHooks(orNone(options.hooks)),
    runner: checkedRunner(options.runner),
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
      : checkedBreaker(orNone(options.circuitBreaker))),
    attemptTimeout: timeout.attempt ?? settings.attemptTimeout,
    totalTimeout: timeout.total ?? settings.totalTimeout,
    idleTimeout: timeout.idle ?? settings.idleTimeout,
    retry: options.retryPolicy === undefined
      ? settings.retry
      : checkedRetry(orNone(options.retryPolicy)),
    hedge: options.hedge === undefined
      ? settings.hedge
      : checkedHedge(orNone(options.hedge)),
    auth: options.auth === undefined
      ? settings.auth
      : checkedAuth(orNone(options.auth), settings.baseUrl),
    hooks: options.hooks === undefined
      ? settings.hooks
      : checkedHooks(orNone(options.hooks)),
    runner: options.runner === undefined
      ? settings.runner
      : checkedRunner(options.runner),
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

/** An option that `false` turns off. Only that: 0, "" or null for it is a mistake to be named. */
function orNone<T>(option: T | false): T | undefined {
  return option === false ? undefined : option;
}

/** Checks a `signal` option. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal !== undefined) checkGiven("signal", signal);
}

/** The policy and the breaker of options, made: what many calls are to share. */
export function sharedState(
  { retryPolicy, circuitBreaker }: SharedOptions,
): Pick<SharedOptions, "retryPolicy" | "circuitBreaker"> {
  const { breaker, breakers } = checkedBreaker(orNone(circuitBreaker));
  return {
    retryPolicy: checkedRetry(orNone(retryPolicy)) ?? retryPolicy,
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
  const text = baseUrl instanceof URL ? baseUrl.href : baseUrl;
  if (typeof text !== "string" || !URL.canParse(text)) {
    throw new TypeError(
      `baseUrl must be an absolute address, got ${
        show(typeof text === "string" ? redactURL(text) : text)
      }`,
    );
  }
  return text;
}

function checkedRetry(
  policy: RetryPolicy | RetryPolicyOptions | undefined,
): RetryPolicy | undefined {
  if (policy === undefined || policy instanceof RetryPolicy) return policy;
  if (typeof policy !== "object" || policy === null) {
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
  if (typeof breaker !== "object" || breaker === null) {
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

function checkTransport(transport: TransportOptions | undefined): void {
  if (transport === undefined) return;
  object("transport", transport);
  const { caCerts, proxy, cert, key, http1, http2 } = transport;
  if (
    caCerts !== undefined &&
    !(Array.isArray(caCerts) &&
      caCerts.every((each) => typeof each === "string"))
  ) {
    throw wrong("transport.caCerts", "an array of PEM texts", caCerts, false);
  }
  // Not shown: it is a secret, whatever is wrong with it.
  for (const [name, value] of [["cert", cert], ["key", key]] as const) {
    if (value !== undefined && typeof value !== "string") {
      throw new TypeError(`transport.${name} must be PEM text`);
    }
  }
  if (http1 !== undefined) boolean("transport.http1", http1);
  if (http2 !== undefined) boolean("transport.http2", http2);
  if (proxy === undefined) return;
  object("transport.proxy", proxy);
  if (typeof proxy.url !== "string" || !URL.canParse(proxy.url)) {
    throw wrong(
      "transport.proxy.url",
      "an absolute address",
      typeof proxy.url === "string" ? redactURL(proxy.url) : proxy.url,
      typeof proxy.url === "string",
    );
  }
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
  runner: TaskRunner | false | undefined,
): TaskRunner | undefined {
  return runner === undefined || runner === false
    ? undefined
    : checkRunner(runner);
}
