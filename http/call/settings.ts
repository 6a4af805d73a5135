/**
 * What a client and its calls go by: the options of a call, laid over those of its client, laid
 * over the defaults.
 *
 * @module
 */
import { environmentNumber } from "../../_internal/environment.ts";
import { TimerQueue } from "../../_internal/timer_queue.ts";
import { checkOptions } from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { Authenticator } from "../auth.ts";
import { BreakerRegistry, CircuitBreaker } from "../breaker/circuit_breaker.ts";
import { Connections } from "./connections.ts";
import type { HedgeOptions } from "../retry/hedge.ts";
import type { HTTPHooks } from "../hooks.ts";
import { type HTTPTelemetry, httpTelemetry } from "./telemetry.ts";
import {
  type AsyncHTTPClientOptions,
  CLIENT_CHECKS,
  type FetchFunction,
  REQUEST_CHECKS,
  type RequestOptions,
  type SharedOptions,
  type TimeoutOptions,
  type TransportOptions,
} from "../options.ts";
import { type HeaderRecord, headerRecord } from "../request/request.ts";
import { RetryPolicy } from "../retry/retry_policy.ts";

/** Everything a call goes by, checked. */
export interface Settings {
  readonly baseUrl: string | undefined;
  readonly headers: HeaderRecord | undefined;
  readonly attemptTimeout: number;
  readonly totalTimeout: number;
  readonly idleTimeout: number;
  readonly retry: RetryPolicy | undefined;
  readonly breaker: CircuitBreaker | BreakerRegistry | undefined;
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
  readonly transport: TransportOptions | undefined;
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

/** The settings with what the options say otherwise. */
function laidOver(below: Settings, options: SharedOptions): Settings {
  const { attempt, total, idle } = timeLimits(options.timeout);
  return {
    ...below,
    attemptTimeout: attempt ?? below.attemptTimeout,
    totalTimeout: total ?? below.totalTimeout,
    idleTimeout: idle ?? below.idleTimeout,
    retry: either(policyOf(options.retryPolicy), below.retry),
    breaker: either(breakerOf(options.circuitBreaker), below.breaker),
    hedge: either(options.hedge, below.hedge),
    auth: either(authenticatorOf(options.auth, below.baseUrl), below.auth),
    hooks: either(options.hooks, below.hooks),
    runner: either(options.runner, below.runner),
    priority: options.priority ?? below.priority,
    maxResponseBytes: options.maxResponseBytes ?? below.maxResponseBytes,
    maxRedirects: options.maxRedirects ?? below.maxRedirects,
    fetch: options.fetch ?? below.fetch,
  };
}

/** The option where it is given, which is `false` for none; else what is below it. */
function either<T extends object>(
  option: T | false | undefined,
  below: T | undefined,
): T | undefined {
  return option === undefined ? below : option || undefined;
}

/** A client's options, checked and laid over the defaults. */
export function clientSettings(options: AsyncHTTPClientOptions): Settings {
  checkOptions("AsyncHTTPClient", options, CLIENT_CHECKS);
  const { baseUrl, headers, secretHeaders = [], timeout } = options;
  const { maxConnections = Infinity, maxPerHost = Infinity } = options;
  return laidOver({
    baseUrl: baseUrl === undefined ? undefined : String(baseUrl),
    headers: headers === undefined ? undefined : headerRecord(headers),
    attemptTimeout: timeLimits(timeout).attempt ??
      environmentNumber("SPECIFY_ASYNC_TIMEOUT", 30, {
          least: 0,
          whole: false,
        }) * 1000,
    totalTimeout: Infinity,
    idleTimeout: Infinity,
    retry: undefined,
    breaker: undefined,
    hedge: undefined,
    auth: undefined,
    hooks: undefined,
    runner: undefined,
    priority: undefined,
    maxResponseBytes: Infinity,
    maxRedirects: 20,
    fetch: undefined,
    connections: maxConnections === Infinity && maxPerHost === Infinity
      ? undefined
      : new Connections(maxConnections, maxPerHost),
    secretHeaders: new Set([
      ...SECRET_HEADERS,
      ...secretHeaders.map((name) => name.toLowerCase()),
    ]),
    signal: options.signal,
    transport: options.transport,
    timers: new TimerQueue(false, true),
    telemetry: httpTelemetry(),
  }, options);
}

/** A call's options, checked and laid over its client's settings. */
export function callSettings(
  settings: Settings,
  options: RequestOptions,
): Settings {
  checkOptions("A call of AsyncHTTPClient", options, REQUEST_CHECKS);
  return laidOver(settings, options);
}

/**
 * How many idle connections are kept for each host: as many as may be in use, or by the
 * environment variable SPECIFY_ASYNC_POOL_SIZE.
 */
export function idlePerHost(options: AsyncHTTPClientOptions): number {
  const max = Math.min(
    options.maxPerHost ?? Infinity,
    options.maxConnections ?? Infinity,
  );
  return max === Infinity
    ? environmentNumber("SPECIFY_ASYNC_POOL_SIZE", 100, {
      least: 1,
      whole: true,
    })
    : max;
}

/** The policy and the breaker of options, made: what many calls are to share. */
export function sharedState(
  { retryPolicy, circuitBreaker }: SharedOptions,
): Pick<SharedOptions, "retryPolicy" | "circuitBreaker"> {
  return {
    retryPolicy: policyOf(retryPolicy),
    circuitBreaker: breakerOf(circuitBreaker),
  };
}

function policyOf(
  option: SharedOptions["retryPolicy"],
): RetryPolicy | false | undefined {
  return option === undefined || option === false ||
      option instanceof RetryPolicy
    ? option
    : new RetryPolicy(option);
}

function breakerOf(
  option: SharedOptions["circuitBreaker"],
): CircuitBreaker | BreakerRegistry | false | undefined {
  return option === undefined || option === false ||
      option instanceof CircuitBreaker || option instanceof BreakerRegistry
    ? option
    : new CircuitBreaker(option);
}

function authenticatorOf(
  option: SharedOptions["auth"],
  baseUrl: string | undefined,
): Authenticator | false | undefined {
  return option === undefined || option === false
    ? option
    : new Authenticator(option, baseUrl);
}

function timeLimits(timeout: SharedOptions["timeout"]): TimeoutOptions {
  return typeof timeout === "number" ? { attempt: timeout } : timeout ?? {};
}
