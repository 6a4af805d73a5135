/**
 * Stops calling what keeps failing, and finds out carefully when it has recovered.
 * One for each origin: {@linkcode BreakerRegistry}.
 *
 * | state | what happens | next state |
 * | --- | --- | --- |
 * | CLOSED | `failureThreshold` failures in a row, or the window's failure rate | OPEN |
 * | OPEN | a call comes after `recoveryTimeout` | HALF_OPEN, and the call is a probe |
 * | HALF_OPEN | a probe fails | OPEN, for a new `recoveryTimeout` |
 * | HALF_OPEN | `successThreshold` probes succeed | CLOSED, counts at zero |
 * | any | `trip()` | OPEN |
 * | any | `reset()` | CLOSED, counts at zero |
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { report } from "../../_internal/errors.ts";
import { isThenable } from "../../_internal/thenable.ts";
import {
  checkOptions,
  type Checks,
  checkSignal,
  duration,
  finiteDuration,
  functionNamed,
  integerFrom,
  numberBetween,
  optionsBy,
  required,
  string,
} from "../../_internal/validate.ts";
import { CircuitState } from "./circuit_state.ts";
import { CircuitOpenError } from "../errors/circuit_open_error.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import { InvalidRequestError } from "../errors/invalid_request_error.ts";
import { breakerTelemetry } from "./telemetry.ts";
import { SlidingWindow } from "../retry/sliding_window.ts";

/** Trips by the rate of failures in a sliding window, in place of failures in a row. */
export interface CircuitWindow {
  /** Length of the window in milliseconds. */
  duration: number;
  /** Share of failures that trips it, from above 0 to 1. */
  failureRate: number;
  /** Calls that the window must hold before the rate counts. @default {10} */
  minimumCalls?: number | undefined;
}

/** A change of state, as `onStateChange` is told. */
export interface CircuitStateChange {
  /** The state before. */
  readonly from: CircuitState;
  /** The state now. */
  readonly to: CircuitState;
  /** What the breaker guards, if it has a name. */
  readonly name: string | undefined;
}

/** Options of {@linkcode CircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Failures in a row that open it; not used with `window`. @default {5} */
  failureThreshold?: number | undefined;
  /** Milliseconds that it stays open before it lets a probe through. @default {60000} */
  recoveryTimeout?: number | undefined;
  /** Successful probes that close it. @default {2} */
  successThreshold?: number | undefined;
  /** Probes at a time while half-open. @default {1} */
  halfOpenMax?: number | undefined;
  /** Trip by the rate of failures in place of failures in a row. */
  window?: CircuitWindow | undefined;
  /**
   * Decides what is a failure. It gets what the call rejected with, or the Response it resolved
   * to. Not asked about an abort, another circuit's refusal and a request that cannot be sent:
   * these never count. @default Any rejection but a 4xx; any response from 500 up.
   */
  isFailure?: ((outcome: unknown) => boolean) | undefined;
  /** Told of each change of state. What it throws is reported on the console. */
  onStateChange?: ((change: CircuitStateChange) => void) | undefined;
  /** Shown in errors and changes. */
  name?: string | undefined;
}

/** Options of `CircuitBreaker.perOrigin`. */
export interface BreakerRegistryOptions extends CircuitBreakerOptions {
  /** A closed breaker not used for so many milliseconds is forgotten. @default {600000} */
  idleTimeout?: number | undefined;
}

const CHECKS: Checks<CircuitBreakerOptions> = {
  failureThreshold: integerFrom(1),
  recoveryTimeout: duration,
  successThreshold: integerFrom(1),
  halfOpenMax: integerFrom(1),
  window: optionsBy<CircuitWindow>({
    duration: required(finiteDuration),
    failureRate: required(numberBetween(Number.MIN_VALUE, 1)),
    minimumCalls: integerFrom(1),
  }),
  isFailure: functionNamed,
  onStateChange: functionNamed,
  name: string,
};

const REGISTRY_CHECKS: Checks<BreakerRegistryOptions> = {
  ...CHECKS,
  idleTimeout: finiteDuration,
};

const CALL_CHECKS: Checks<{ signal?: AbortSignal | undefined }> = {
  signal: checkSignal,
};

/**
 * A circuit breaker. Usable around anything: `breaker.call(fn)`.
 *
 * Guarantees: while open nothing is called; while half-open at most `halfOpenMax` calls are under
 * way; a call that began before the last change of state changes nothing when it ends; time is
 * monotonic.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@specify/async-core";
 *
 * const breaker = new CircuitBreaker({ failureThreshold: 2, recoveryTimeout: 1000 });
 * const failing = () => Promise.reject(new Error("down"));
 * await breaker.call(failing).catch(() => {});
 * await breaker.call(failing).catch(() => {});
 * console.log(breaker.state); // "open"
 * ```
 */
export class CircuitBreaker {
  // Invariants: #probes is the number of calls that entered in the present HALF_OPEN period and
  // have not left, 0 in other states. #generation grows with each change of state, a call leaves
  // with the number it entered with, and only a call of the present generation counts: so a late
  // result changes nothing, and #probes is never taken down twice.
  readonly #failureThreshold: number;
  readonly #recoveryTimeout: number;
  readonly #successThreshold: number;
  readonly #halfOpenMax: number;
  readonly #failureRate: number;
  readonly #minimumCalls: number;
  /** The calls, with the failures marked. */
  readonly #window: SlidingWindow | undefined;
  readonly #isFailure: (outcome: unknown) => boolean;
  readonly #telemetry = breakerTelemetry();
  readonly #onStateChange: ((change: CircuitStateChange) => void) | undefined;
  /** Shown in errors and changes. */
  readonly name: string | undefined;
  #state: CircuitState = CircuitState.CLOSED;
  #generation = 0;
  #failures = 0;
  #successes = 0;
  #probes = 0;
  #openedAt = 0;

  /**
   * A closed breaker.
   *
   * @throws {RangeError | TypeError} For an option that is out of its range, naming it.
   */
  constructor(options: CircuitBreakerOptions = {}) {
    checkOptions("CircuitBreaker", options, CHECKS);
    this.#failureThreshold = options.failureThreshold ?? 5;
    this.#recoveryTimeout = options.recoveryTimeout ?? 60_000;
    this.#successThreshold = options.successThreshold ?? 2;
    this.#halfOpenMax = options.halfOpenMax ?? 1;
    const { window } = options;
    this.#window = window && new SlidingWindow(window.duration);
    this.#failureRate = window?.failureRate ?? 1;
    this.#minimumCalls = window?.minimumCalls ?? 10;
    this.#isFailure = options.isFailure ?? isBreakerFailure;
    this.#onStateChange = options.onStateChange;
    this.name = options.name;
  }

  /** One breaker for each origin, made from the same options as they are needed. */
  static perOrigin(options: BreakerRegistryOptions = {}): BreakerRegistry {
    return new BreakerRegistry(options);
  }

  /** The state now: OPEN becomes HALF_OPEN when the recovery timeout has gone by. */
  get state(): CircuitState {
    return this.#state === CircuitState.OPEN && this.retryAfter === 0
      ? CircuitState.HALF_OPEN
      : this.#state;
  }

  /** Milliseconds until a probe is let through; 0 unless open. */
  get retryAfter(): number {
    return this.#state === CircuitState.OPEN
      ? Math.max(0, this.#openedAt + this.#recoveryTimeout - now())
      : 0;
  }

  /**
   * Calls `fn`, or rejects with CircuitOpenError without calling it.
   *
   * @throws {CircuitOpenError} While open, or half-open with all probes taken.
   */
  call<T>(
    fn: () => T | PromiseLike<T>,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<T> {
    functionNamed("fn", fn);
    if (options !== undefined) {
      checkOptions("CircuitBreaker.call()", options, CALL_CHECKS);
    }
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    let permit: number;
    try {
      permit = this.enter();
    } catch (error) {
      return Promise.reject(error);
    }
    let result: T | PromiseLike<T>;
    try {
      result = fn();
    } catch (error) {
      this.#leaveWith(permit, error, signal);
      return Promise.reject(error);
    }
    if (!isThenable(result)) {
      this.#leaveResult(permit, result);
      return Promise.resolve(result);
    }
    return this.#follow(permit, result, signal);
  }

  /** Opens it now, for a whole recovery timeout. */
  trip(): void {
    this.#openedAt = now();
    this.#move(CircuitState.OPEN);
  }

  /** Closes it now, and forgets what was counted. */
  reset(): void {
    this.#move(CircuitState.CLOSED);
  }

  /**
   * Begins a call by hand: returns a permit to be given back to exactly one of `succeed`, `fail`
   * or `abandon`.
   *
   * @throws {CircuitOpenError} While open, or half-open with all probes taken.
   */
  enter(): number {
    if (this.#state === CircuitState.CLOSED) return this.#generation;
    if (this.#state === CircuitState.OPEN) {
      const { retryAfter } = this;
      if (retryAfter > 0) throw new CircuitOpenError(this.name, retryAfter);
      this.#move(CircuitState.HALF_OPEN);
      // A listener may have moved it on: begin anew.
      return this.enter();
    }
    if (this.#probes >= this.#halfOpenMax) {
      throw new CircuitOpenError(this.name, 0);
    }
    this.#probes++;
    return this.#generation;
  }

  /** The call that `permit` stands for succeeded. */
  succeed(permit: number): void {
    if (permit !== this.#generation) return;
    if (this.#state === CircuitState.CLOSED) {
      this.#failures = 0;
      this.#window?.turn(now());
      this.#window?.count();
    } else if (this.#state === CircuitState.HALF_OPEN) {
      this.#probes--;
      if (++this.#successes >= this.#successThreshold) {
        this.#move(CircuitState.CLOSED);
      }
    }
  }

  /** The call that `permit` stands for failed. */
  fail(permit: number): void {
    if (permit !== this.#generation) return;
    if (this.#state === CircuitState.CLOSED) {
      if (this.#countFailure()) this.trip();
    } else if (this.#state === CircuitState.HALF_OPEN) this.trip();
  }

  /** The call that `permit` stands for was given up: it frees its place and counts as nothing. */
  abandon(permit: number): void {
    if (
      permit === this.#generation && this.#state === CircuitState.HALF_OPEN
    ) this.#probes--;
  }

  /** Counts a failure; true when it is one too many. */
  #countFailure(): boolean {
    const window = this.#window;
    if (window === undefined) {
      return ++this.#failures >= this.#failureThreshold;
    }
    window.turn(now());
    window.count();
    window.mark();
    return window.calls >= this.#minimumCalls &&
      window.marked / window.calls >= this.#failureRate;
  }

  /** What `isFailure` says of an error or a Response. */
  isFailure(outcome: unknown): boolean {
    return this.#isFailure(outcome);
  }

  async #follow<T>(
    permit: number,
    pending: PromiseLike<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    let result: T;
    try {
      result = await pending;
    } catch (error) {
      this.#leaveWith(permit, error, signal);
      throw error;
    }
    this.#leaveResult(permit, result);
    return result;
  }

  #leaveResult(permit: number, result: unknown): void {
    if (!(result instanceof Response)) this.succeed(permit);
    else this.#leave(permit, result);
  }

  #leaveWith(
    permit: number,
    error: unknown,
    signal: AbortSignal | undefined,
  ): void {
    if ((signal?.aborted && error === signal.reason) || saysNothing(error)) {
      this.abandon(permit);
    } else this.#leave(permit, error);
  }

  #leave(permit: number, outcome: unknown): void {
    let failed: boolean;
    try {
      failed = this.#isFailure(outcome);
    } catch (error) {
      // The place must be freed whatever the predicate does.
      this.abandon(permit);
      throw error;
    }
    if (failed) this.fail(permit);
    else this.succeed(permit);
  }

  #move(to: CircuitState): void {
    const from = this.#state;
    this.#state = to;
    this.#generation++;
    this.#failures = 0;
    this.#successes = 0;
    this.#probes = 0;
    this.#window?.clear();
    if (from === to) return;
    this.#telemetry?.changed(to, this.name);
    if (this.#onStateChange === undefined) return;
    // Told last: the state is whole by now, whatever the listener does to it.
    try {
      this.#onStateChange({ from, to, name: this.name });
    } catch (error) {
      report("onStateChange of a CircuitBreaker threw", error);
    }
  }
}

/**
 * A failure when nobody says otherwise: any rejection but one that `saysNothing`, and a status below 500; any response from 500 up. A
 * 4xx tells of the request, not of the server's health; 429 and 408 are a matter of choice.
 */
function isBreakerFailure(outcome: unknown): boolean {
  if (outcome instanceof Response) return outcome.status >= 500;
  if (outcome instanceof HTTPStatusError) return outcome.status >= 500;
  return !saysNothing(outcome);
}

/**
 * True for a rejection that says nothing of whether the server is well, since it was not asked or
 * somebody has given up: an abort, another breaker's refusal, a request that cannot be sent.
 */
export function saysNothing(error: unknown): boolean {
  return error instanceof CircuitOpenError ||
    error instanceof InvalidRequestError ||
    (error instanceof DOMException && error.name === "AbortError");
}

/**
 * At most so many are kept; above it, the one used longest ago goes. Whoever chooses the hosts of
 * requests (links that are followed, redirects) must not fill the memory within one idleTimeout.
 */
const MAX_ORIGINS = 10_000;

interface Entry {
  readonly breaker: CircuitBreaker;
  usedAt: number;
}

/**
 * One circuit breaker for each origin, so that one dead server does not cut off the others. Made
 * by `CircuitBreaker.perOrigin(options)`.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@specify/async-core";
 *
 * const breakers = CircuitBreaker.perOrigin({ failureThreshold: 3 });
 * breakers.get("https://one.example").trip();
 * console.log(breakers.get("https://two.example").state); // "closed"
 * ```
 */
export class BreakerRegistry {
  readonly #options: CircuitBreakerOptions;
  readonly #idleTimeout: number;
  readonly #entries = new Map<string, Entry>();
  #sweptAt = 0;

  /** Made by `CircuitBreaker.perOrigin`. */
  constructor(options: BreakerRegistryOptions) {
    // Wrong options fail here, not at the first request.
    checkOptions("CircuitBreaker.perOrigin()", options, REGISTRY_CHECKS);
    const { idleTimeout = 600_000, ...each } = options;
    this.#idleTimeout = idleTimeout;
    this.#options = each;
  }

  /** How many origins have a breaker. */
  get size(): number {
    return this.#entries.size;
  }

  /** The origin's breaker, made if there is none. `time`: the present, if the caller knows it. */
  get(origin: string, time: number = now()): CircuitBreaker {
    // No timer: idle breakers cost only memory, so the next use is early enough to drop them.
    if (time - this.#sweptAt >= this.#idleTimeout) this.#sweep(time);
    let entry = this.#entries.get(origin);
    if (entry === undefined) {
      if (this.#entries.size >= MAX_ORIGINS) this.#dropOldest();
      entry = {
        breaker: new CircuitBreaker({ ...this.#options, name: origin }),
        usedAt: time,
      };
      this.#entries.set(origin, entry);
    }
    entry.usedAt = time;
    return entry.breaker;
  }

  /** The origins and their breakers. */
  *[Symbol.iterator](): IterableIterator<[string, CircuitBreaker]> {
    for (const [origin, { breaker }] of this.#entries) yield [origin, breaker];
  }

  #sweep(time: number): void {
    this.#sweptAt = time;
    for (const [origin, entry] of this.#entries) {
      if (
        time - entry.usedAt >= this.#idleTimeout &&
        // One that is open still protects; half-open it has nothing left to protect from.
        entry.breaker.state !== CircuitState.OPEN
      ) this.#entries.delete(origin);
    }
  }

  #dropOldest(): void {
    let oldest: string | undefined;
    let usedAt = Infinity;
    for (const [origin, entry] of this.#entries) {
      if (entry.usedAt < usedAt) {
        oldest = origin;
        usedAt = entry.usedAt;
      }
    }
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
