/**
 * Operators that depend on time. All waits are entries of the one shared timer queue, and every
 * kind of end takes them out. While an element waits to be taken, nothing more is read: a slow
 * consumer slows the source, it does not fill the memory.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { Ring } from "../../_internal/ring.ts";
import { type TimerEntry, timers } from "../../_internal/timer_queue.ts";
import {
  checkOptions,
  type Checks,
  duration,
  finiteDuration,
  limitFrom,
} from "../../_internal/validate.ts";
import type { Operator, PullableIterator, Wait } from "../engine/types.ts";
import type { Plan, ReadingOperator } from "../engine/plan.ts";
import { Relay } from "../engine/relay.ts";
import { ReadAhead } from "./buffer.ts";
import type { PartialBatch } from "./group.ts";

// Invariants: `time` is finite exactly while it is set, and the entry rings no later than that. An
// entry that rings too early is set again, one that rings while nothing is set is not: so an old
// one never rings for something new. Only `clear` takes the entry out; `set` and `rest` leave it,
// since an entry for each element costs 5 to 9 us.
/** One timer at a time. Every end of its operator must `clear` it. */
export class Timer {
  readonly #ring: () => void;
  #time = Infinity;
  #entry: TimerEntry | undefined = undefined;
  #entryTime = Infinity;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Whether it is going to ring. */
  get isSet(): boolean {
    return this.#time !== Infinity;
  }

  /** Rings at `time`, in place of whenever it was to ring before. Never, for Infinity. */
  set(time: number): void {
    this.#time = time;
    if (time === Infinity) return;
    if (this.#entry !== undefined) {
      if (this.#entryTime <= time) return;
      timers.remove(this.#entry);
    }
    this.#add(time);
  }

  /** Does not ring until it is set again, which is expected soon. */
  rest(): void {
    this.#time = Infinity;
  }

  /** Leaves nothing behind. */
  clear(): void {
    this.#time = Infinity;
    if (this.#entry !== undefined) timers.remove(this.#entry);
    this.#entry = undefined;
  }

  timeUp(): void {
    this.#entry = undefined;
    if (this.#time === Infinity) return;
    if (now() < this.#time) {
      this.#add(this.#time);
      return;
    }
    this.#time = Infinity;
    this.#ring();
  }

  #add(time: number): void {
    this.#entryTime = time;
    this.#entry = timers.add(time, this);
  }
}

/** What the operators below have in common: one source, one relay, one timer. */
abstract class Timed<T, U> extends ReadAhead<T, U> {
  protected readonly timer: Timer = new Timer(() => this.ring());

  protected abstract ring(): void;

  /** Gives out what comes before the end, or before a failure. */
  protected last(_hasFailed: boolean): void {}

  override wants(): boolean {
    return this.relay.size === 0;
  }

  override ended(): void {
    this.last(false);
    this.timer.clear();
    super.ended();
  }

  override failed(error: unknown): void {
    this.last(true);
    this.timer.clear();
    super.failed(error);
  }

  override close(reason: unknown): Wait {
    this.timer.clear();
    return super.close(reason);
  }
}

// Invariants: `items` is what was read since the last batch, at most `size`; the timer is set
// from its first element on. A batch leaves only when it is asked for (`isAsked`): full or due
// before that, it waits here, and nothing is read meanwhile.
class TimedBatch<T> extends Timed<T, T[]> {
  readonly #size: number;
  readonly #timeout: number;
  readonly #partial: PartialBatch;
  #items: T[] = [];
  #isAsked = false;
  #isDue = false;

  constructor(
    plan: Plan<T>,
    size: number,
    timeout: number,
    partial: PartialBatch,
  ) {
    super(plan);
    this.#size = size;
    this.#timeout = timeout;
    this.#partial = partial;
  }

  override demand(): void {
    this.#isAsked = true;
    if (this.#isDue || this.#items.length === this.#size) this.#emit();
    else this.upstream.flow();
  }

  override taken(): void {}

  override wants(): boolean {
    return this.#isAsked && !this.#isDue && this.#items.length < this.#size;
  }

  override arrived(value: T): void {
    const length = this.#items.push(value);
    if (length === this.#size) {
      this.timer.rest();
      if (this.#isAsked) this.#emit();
    } else if (length === 1) this.timer.set(now() + this.#timeout);
  }

  protected override last(hasFailed: boolean): void {
    if (hasFailed && this.#partial === "drop") return;
    if (this.#items.length > 0) this.#emit();
  }

  protected override ring(): void {
    if (this.#isAsked) this.#emit();
    else this.#isDue = true;
  }

  /** The timer is at rest: the batch is full or due, or the end clears it. */
  #emit(): void {
    this.#isAsked = this.#isDue = false;
    const items = this.#items;
    this.#items = [];
    this.relay.push(items);
  }
}

/** See AsyncStream.batch with a timeout. */
export function timedBatch<T>(
  size: number,
  timeout: number,
  partial: PartialBatch,
): ReadingOperator<T, T[]> {
  return (plan) => new TimedBatch(plan, size, timeout, partial).relay;
}

/** Lets a timer ring at the next tick of a period, counted from now on. */
function ticks(period: number): (timer: Timer) => void {
  const start = now();
  return (timer) => {
    if (timer.isSet) return;
    const ticked = Math.floor((now() - start) / period);
    timer.set(start + (ticked + 1) * period);
  };
}

/** Windows of time side by side. */
class TimeWindow<T> extends Timed<T, T[]> {
  readonly #schedule: (timer: Timer) => void;
  #items: T[] = [];

  constructor(plan: Plan<T>, period: number) {
    super(plan);
    this.#schedule = ticks(period);
  }

  override arrived(value: T): void {
    this.#items.push(value);
    this.#schedule(this.timer);
  }

  protected override last(): void {
    if (this.#items.length > 0) this.ring();
  }

  protected override ring(): void {
    const items = this.#items;
    this.#items = [];
    this.relay.push(items);
  }
}

/** See AsyncStream.windowTime. */
export function windowTime<T>(period: number): ReadingOperator<T, T[]> {
  finiteDuration("period", period);
  return (plan) => new TimeWindow(plan, period).relay;
}

/** The latest value, when the timer rings that `schedule` sets for each. */
class Latest<T> extends Timed<T, T> {
  readonly #schedule: (timer: Timer) => void;
  readonly #givesLast: boolean;
  #latest: { value: T } | undefined = undefined;

  /** `givesLast`: the end does not wait for the timer, nor drop the value that does. */
  constructor(
    plan: Plan<T>,
    schedule: (timer: Timer) => void,
    givesLast: boolean,
  ) {
    super(plan);
    this.#schedule = schedule;
    this.#givesLast = givesLast;
  }

  override arrived(value: T): void {
    this.#latest = { value };
    this.#schedule(this.timer);
  }

  protected override last(hasFailed: boolean): void {
    if (this.#givesLast && !hasFailed) this.ring();
  }

  protected override ring(): void {
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest !== undefined) this.relay.push(latest.value);
  }
}

/** See AsyncStream.debounce. */
export function debounce<T>(silence: number): ReadingOperator<T, T> {
  duration("silence", silence);
  const schedule = (timer: Timer) => timer.set(now() + silence);
  return (plan) => new Latest(plan, schedule, true).relay;
}

/** See AsyncStream.sample. */
export function sample<T>(period: number): ReadingOperator<T, T> {
  finiteDuration("period", period);
  return (plan) => new Latest(plan, ticks(period), false).relay;
}

/** How far `delay` reads ahead. */
export interface DelayOptions {
  /** Most values that may be under way at a time. @default {1024} */
  buffer?: number | undefined;
}

const DELAY_CHECKS: Checks<DelayOptions> = { buffer: limitFrom(1) };

// Invariants: `line` holds the values that were read and are not due yet, in order, each with the
// time at which it is; all wait equally long, so the first is due first, and the timer is set for
// it. What is due goes to the relay. Nothing is read while that has something, or while the line
// has `buffer` values.
/** Each value some time after it was read. */
class Delay<T> extends Timed<T, T> {
  readonly #duration: number;
  readonly #buffer: number;
  readonly #line = new Ring<{ value: T; time: number }>();
  /** The end, or the failure, that comes after the values in the line. */
  #then: (() => void) | undefined = undefined;

  constructor(plan: Plan<T>, duration: number, buffer: number) {
    super(plan);
    this.#duration = duration;
    this.#buffer = buffer;
  }

  override wants(): boolean {
    return this.relay.size === 0 && this.#line.size < this.#buffer;
  }

  override arrived(value: T): void {
    const time = now() + this.#duration;
    this.#line.push({ value, time });
    if (this.#line.size === 1) this.timer.set(time);
  }

  override ended(): void {
    this.#after(() => super.ended());
  }

  override failed(error: unknown): void {
    this.#after(() => super.failed(error));
  }

  override close(reason: unknown): Wait {
    this.#line.clear();
    return super.close(reason);
  }

  protected override ring(): void {
    const time = now();
    let first = this.#line.at(0);
    for (
      ;
      first !== undefined && first.time <= time;
      first = this.#line.at(0)
    ) {
      this.#line.shift();
      this.relay.push(first.value);
    }
    if (first !== undefined) this.timer.set(first.time);
    else this.#then?.();
    this.upstream.flow();
  }

  /** At once, or after the values that still wait. */
  #after(then: () => void): void {
    if (this.#line.size === 0) then();
    else this.#then = then;
  }
}

/** See AsyncStream.delay. */
export function delay<T>(
  period: number,
  options: DelayOptions,
): ReadingOperator<T, T> {
  duration("period", period);
  const { buffer = 1024 } = checkOptions("delay()", options, DELAY_CHECKS);
  return (plan) => new Delay(plan, period, buffer).relay;
}

/** The first value, then none for some time, and so on. Needs no timer. */
export function throttle<T>(period: number): Operator<T, T> {
  duration("period", period);
  return (next) => {
    let until = -Infinity;
    return (value) => {
      const time = now();
      if (time < until) return undefined;
      until = time + period;
      return next(value);
    };
  };
}

/** See AsyncStream.interval. */
export function interval(period: number): () => PullableIterator<number> {
  finiteDuration("period", period);
  return () => {
    const schedule = ticks(period);
    let count = 0;
    const timer = new Timer(() => relay.push(count++));
    const relay: Relay<number> = new Relay({
      // A tick that nobody waited for is not made up for: no bursts.
      demand: () => schedule(timer),
      close: () => void timer.clear(),
    });
    return relay;
  };
}
