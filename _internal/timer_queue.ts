/**
 * Many timeouts on one timer: a binary heap ordered by time, with one `setTimeout` for its
 * first entry. Nearly every timeout is removed before it is due and is later than those before
 * it, so both are O(1): an entry that is added last stays at the end, and one that is removed is
 * only marked, until marked ones are the majority and are swept out. The runtime's own timers
 * cost 2 us for each set and clear.
 *
 * @module
 */
import { now } from "./clock.ts";

/** The longest delay that `setTimeout` takes; with more it would fire at once. */
const MAX_DELAY = 2 ** 31 - 1;

/** In place of a time while entries are told: no added entry is earlier, so no timer is set. */
const FIRING = -Infinity;

/** Told when its time has come. Called once; must not throw. */
export interface TimerTarget {
  /** The time given to `add` has come. */
  timeUp(): void;
}

/** A place in the queue. */
export class TimerEntry {
  /** When, on the `performance.now()` line. */
  readonly time: number;
  /** The order of adding, which decides between equal times. @internal */
  readonly sequence: number;
  /** Undefined when it has fired or was removed: the entry keeps nothing alive. @internal */
  target: TimerTarget | undefined;

  /** @internal */
  constructor(time: number, target: TimerTarget, sequence: number) {
    this.time = time;
    this.target = target;
    this.sequence = sequence;
  }
}

/** Fewer removed entries than this are not worth a sweep. */
const SWEEP_FROM = 32;

/** A heap of timeouts on one runtime timer. */
export class TimerQueue {
  // Invariant: heap[i] is not after heap[2i + 1] and heap[2i + 2] (by time, then by the order of
  // adding, as with setTimeout); #live entries of the heap have a target, at most
  // max(#live, SWEEP_FROM) have none; and, except while entries are told that their time is up,
  // a runtime timer is set exactly while #live > 0 (and, where it lingers, until it fires or
  // `rest` is called). It may be early (its entry was removed),
  // then it fires, finds nothing due and is set again; it is never late.
  readonly #heap: TimerEntry[] = [];
  readonly #keepsAlive: boolean;
  readonly #lingers: boolean;
  #live = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerTime = Infinity;
  #sequence = 0;

  /**
   * `keepsAlive: false`: pending entries let the process end. `lingers: true`: the runtime timer
   * stays set when nothing waits any more, for an owner whose timeouts come one after the other
   * and who calls `rest` when there will be no more of them.
   */
  constructor(keepsAlive: boolean, lingers = false) {
    this.#keepsAlive = keepsAlive;
    this.#lingers = lingers;
  }

  /** Takes the runtime timer away if nothing waits. */
  rest(): void {
    if (this.#live === 0 && this.#timerTime !== FIRING) this.#unset();
  }

  /** How many entries wait. */
  get size(): number {
    return this.#live;
  }

  /** Calls `target.timeUp()` at `time` (on the `performance.now()` line) or just after. */
  add(time: number, target: TimerTarget): TimerEntry {
    const entry = new TimerEntry(time, target, this.#sequence++);
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1, entry);
    this.#live++;
    if (time < this.#timerTime) this.#set(time);
    return entry;
  }

  /** Takes an entry out; one that has fired or was removed is left alone. */
  remove(entry: TimerEntry): void {
    if (entry.target === undefined) return;
    entry.target = undefined;
    if (--this.#live === 0) {
      this.#heap.length = 0;
      if (!this.#lingers) this.rest();
      return;
    }
    const removed = this.#heap.length - this.#live;
    if (removed > SWEEP_FROM && removed > this.#live) this.#sweep();
  }

  /** Drops the removed entries. O(n) after n removals, so O(1) for each. */
  #sweep(): void {
    const heap = this.#heap;
    let length = 0;
    for (const entry of heap) {
      if (entry.target !== undefined) heap[length++] = entry;
    }
    heap.length = length;
    // Floyd's heap construction: each parent sinks to its place, the last one first.
    for (let index = (length >> 1) - 1; index >= 0; index--) {
      // Within the heap.
      this.#down(index, heap[index]!);
    }
  }

  #takeFirst(): void {
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) this.#down(0, last);
  }

  #up(index: number, entry: TimerEntry): void {
    const heap = this.#heap;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      // Within the heap: its index is below a valid one.
      const parent = heap[parentIndex]!;
      if (!isAfter(parent, entry)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  #down(index: number, entry: TimerEntry): void {
    const heap = this.#heap;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      if (child === undefined) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && isAfter(child, right)) {
        child = right;
        childIndex++;
      }
      if (!isAfter(entry, child)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = entry;
  }

  #set(time: number): void {
    clearTimeout(this.#timer);
    this.#timerTime = time;
    const delay = Math.min(Math.max(Math.ceil(time - now()), 0), MAX_DELAY);
    this.#timer = setTimeout(this.#fire, delay);
    if (!this.#keepsAlive) unrefTimer(this.#timer);
  }

  #unset(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerTime = Infinity;
  }

  readonly #fire = (): void => {
    const time = now();
    // Until the end of this function no timer is set, whatever a target adds or removes; then one
    // is set for what is left. That holds when a target throws, too: the others are not lost.
    this.#timer = undefined;
    this.#timerTime = FIRING;
    // What a target adds now waits for the next time, or one that adds itself again without a
    // delay would never let this end.
    const added = this.#sequence;
    try {
      for (
        let first = this.#heap[0];
        first !== undefined &&
        (first.target === undefined ||
          (first.time <= time && first.sequence < added));
        first = this.#heap[0]
      ) {
        this.#takeFirst();
        const { target } = first;
        if (target === undefined) continue;
        first.target = undefined;
        this.#live--;
        target.timeUp();
      }
    } finally {
      const first = this.#heap[0];
      if (first === undefined) this.#unset();
      else this.#set(first.time);
    }
  };
}

function isAfter(a: TimerEntry, b: TimerEntry): boolean {
  return a.time > b.time || (a.time === b.time && a.sequence > b.sequence);
}

function unrefTimer(timer: ReturnType<typeof setTimeout>): void {
  if (typeof timer === "object") {
    (timer as { unref?: () => void }).unref?.();
  } else if (typeof Deno !== "undefined") Deno.unrefTimer(timer);
}

/** Timeouts of work that somebody waits for: they keep the process alive while they are pending. */
export const timers: TimerQueue = new TimerQueue(true);

/** Timeouts of idle things (a pooled resource, an unused breaker): they do not. */
export const idleTimers: TimerQueue = new TimerQueue(false);
