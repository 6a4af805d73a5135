/**
 * A simple model of the scheduler, to run random programs against: it is told every event by an
 * observer, keeps plain arrays, and checks at each start that this task may start, and before all
 * others.
 *
 * @module
 */
import { assert, assertEquals, fail } from "@std/assert";
import {
  QueueFullError,
  type SchedulerOptions,
  type TaskHandle,
  type TaskInfo,
  type TaskPriority,
  TaskScheduler,
} from "../../runner/mod.ts";
import { timers } from "../../_internal/timer_queue.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import type { FakeClock } from "./fake_clock.ts";
import { HeldTask, microtasks, watched } from "./held_task.ts";

/** How a task of the program behaves. */
export type Behaviour = "held" | "returns" | "throws" | "resolves" | "rejects";

/** One step of a random program. Numbers pick among what there is, modulo. */
export type Step =
  | {
    type: "submit";
    priority: TaskPriority;
    behaviour: Behaviour;
    weight: number;
    key: number;
    signal: number;
    timeout: number;
    deadline: number;
    /** What the task does to the scheduler as soon as it runs. */
    inside: Step | undefined;
  }
  | { type: "cancel"; pick: number }
  | { type: "abort"; signal: number }
  | { type: "setPriority"; pick: number; priority: TaskPriority }
  | { type: "end"; pick: number; fails: boolean }
  | { type: "pause" | "resume" | "turn" | "clear" }
  | { type: "limit"; limit: number }
  | { type: "tick"; ms: number };

interface Entry {
  readonly handle: TaskHandle<unknown>;
  readonly held: HeldTask<unknown>;
  readonly key: string | undefined;
  readonly weight: number;
  readonly deadline: number;
  /** The order of the submits. */
  readonly age: number;
  queuedAt: number;
  place: "queue" | "running" | "gone";
  settlements: number;
  /** What it must end as, once that is known for certain. */
  expected: "cancelled" | undefined;
  starts: number;
}

/** What the program and its model share. */
export class SchedulerModel {
  readonly scheduler: TaskScheduler;
  readonly #options: SchedulerOptions;
  readonly #clock: FakeClock;
  readonly #entries: Entry[] = [];
  readonly #byId = new Map<string, Entry>();
  readonly #starts: number[] = [];
  /** For a key that could start: how often each other key went before it meanwhile. */
  readonly #passedBy = new Map<string, Map<string, number>>();
  readonly #controllers = Array.from(
    { length: 2 },
    () => new AbortController(),
  );
  readonly #violations: unknown[] = [];
  #isBoundKept = true;
  #accepted = 0;
  #limit: number;
  #paused = false;
  #submitting: Omit<Entry, "handle"> | undefined;

  constructor(options: SchedulerOptions, clock: FakeClock) {
    this.#options = options;
    this.#clock = clock;
    this.#limit = options.maxConcurrent ?? 10;
    this.scheduler = new TaskScheduler({
      ...options,
      observer: {
        queued: (task) => this.#told(() => this.#queued(task)),
        started: (task) => this.#told(() => this.#started(task)),
        settled: (task) => this.#told(() => this.#settled(task)),
        ended: (task) => this.#told(() => this.#ended(task)),
      },
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await this.#do(step);
      this.#checkCounts();
    }
    await this.#finish();
  }

  #do(step: Step): void | Promise<void> {
    const { scheduler } = this;
    switch (step.type) {
      case "submit":
        return this.#submit(step);
      case "cancel":
        return this.#pick(step.pick, (entry) => {
          if (isOpen(entry)) entry.expected = "cancelled";
          entry.handle.cancel("cancel");
        });
      case "abort": {
        const controller = this.#controllers[step.signal];
        controller?.abort("abort");
        if (controller) this.#controllers[step.signal] = new AbortController();
        return;
      }
      case "setPriority":
        return this.#pick(step.pick, (entry) => {
          entry.handle.setPriority(step.priority);
          this.#forgetPassed();
        });
      case "end": {
        const running = this.#entries.filter(({ place }) =>
          place === "running"
        );
        const entry = running[step.pick % Math.max(1, running.length)];
        if (step.fails) entry?.held.fail(new Error("failed"));
        else entry?.held.end("done");
        return;
      }
      case "pause":
        this.#paused = true;
        this.#tightened();
        return scheduler.pause();
      case "resume":
        this.#paused = false;
        return scheduler.resume();
      case "limit":
        if (step.limit < this.#limit) this.#tightened();
        this.#limit = step.limit;
        scheduler.maxConcurrent = step.limit;
        return;
      case "clear":
        for (const entry of this.#queue()) entry.expected = "cancelled";
        scheduler.clear("clear");
        return;
      case "turn":
        return this.#quiet();
      case "tick":
        this.#clock.time.tick(step.ms);
        return this.#quiet();
    }
  }

  #submit(step: Extract<Step, { type: "submit" }>): void {
    const held = new HeldTask<unknown>();
    const now = performance.now();
    const { behaviour } = step;
    const signal = this.#controllers[step.signal]?.signal;
    // No heavier than the limit is now, or it would be refused.
    const weight = Math.min(step.weight, this.#limit);
    const deadline = step.deadline === 0 ? Infinity : now + step.deadline;
    const key = step.key === 0 ? undefined : `key ${step.key}`;
    const entry: Entry = {
      handle: undefined as unknown as TaskHandle<unknown>,
      held,
      key,
      weight,
      deadline,
      age: this.#entries.length,
      queuedAt: now,
      place: "gone",
      settlements: 0,
      expected: undefined,
      starts: 0,
    };
    const outer = this.#submitting;
    this.#submitting = entry;
    const handle = this.scheduler.submit(
      (context): unknown => {
        entry.starts++;
        if (step.inside !== undefined) void this.#do(step.inside);
        switch (behaviour) {
          case "held":
            return held.run(context);
          case "returns":
            return "done";
          case "throws":
            throw new Error("failed");
          case "resolves":
            return Promise.resolve("done");
          case "rejects":
            return Promise.reject(new Error("failed"));
        }
      },
      {
        priority: step.priority,
        weight,
        key,
        signal,
        deadline,
        timeout: step.timeout === 0 ? undefined : step.timeout,
      },
    );
    this.#submitting = outer;
    this.#waiting.delete(entry);
    Object.assign(entry, { handle });
    this.#byId.set(handle.id, entry);
    this.#entries.push(entry);
    watched(handle);
    handle.then(
      () => entry.settlements++,
      () => entry.settlements++,
    );
  }

  /** What was accepted because a slot was free for it may have to wait after all. */
  #tightened(): void {
    if (this.#queue().length > 0 || this.#submitting) this.#isBoundKept = false;
  }

  /** The scheduler swallows what an observer throws, so it is kept for the next check. */
  #told(event: () => void): void {
    try {
      event();
    } catch (error) {
      this.#violations.push(error);
    }
  }

  // --- What the observer tells ------------------------------------------------------------

  #queued(task: TaskInfo): void {
    // Told within submit, before its handle is known here.
    const entry = this.#submitting;
    assert(entry !== undefined, "queued outside of submit");
    entry.place = "queue";
    this.#byId.set(task.id, entry as Entry);
    Object.assign(entry, { handle: task });
    if (!this.#entries.includes(entry as Entry)) {
      this.#waiting.add(entry as Entry);
    }
    this.#accepted++;
  }

  /** Entries that were queued but whose submit has not returned yet. */
  readonly #waiting = new Set<Entry>();

  #queue(): Entry[] {
    const entries = new Set([...this.#entries, ...this.#waiting]);
    return [...entries].filter(({ place }) => place === "queue");
  }

  #running(): Entry[] {
    return this.#entries.filter(({ place }) => place === "running");
  }

  #used(): number {
    return this.#running().reduce((sum, { weight }) => sum + weight, 0);
  }

  #hasPlace(key: string | undefined): boolean {
    const { maxPerKey = Infinity } = this.#options;
    return key === undefined ||
      this.#running().filter((other) => other.key === key).length < maxPerKey;
  }

  /** The level it competes in. */
  #level({ handle, queuedAt }: Entry): number {
    const { aging = Infinity } = this.#options;
    const waited = performance.now() - queuedAt;
    return Math.max(0, handle.priority - Math.floor(waited / aging));
  }

  #started(task: TaskInfo): void {
    const entry = this.#byId.get(task.id) ?? fail("unknown task started");
    const now = performance.now();
    assertEquals(entry.place, "queue");
    assert(!this.#paused, "started while paused");
    assert(entry.deadline > now, "started after its deadline");
    assert(this.#hasPlace(entry.key), "more than maxPerKey of a key");
    const used = this.#used();
    assert(
      used + entry.weight <= this.#limit || used === 0,
      `${used} + ${entry.weight} slots of ${this.#limit}`,
    );
    this.#checkOrder(entry);
    this.#checkRate(now);
    this.#checkFairness(entry);
    entry.place = "running";
  }

  #checkOrder(entry: Entry): void {
    const keyed = this.#options.maxPerKey !== undefined;
    const level = this.#level(entry);
    for (const other of this.#queue()) {
      if (other === entry || !this.#hasPlace(other.key)) continue;
      // With keys and aging together only the keys that are first in turn compete.
      if (keyed && this.#options.aging !== undefined) continue;
      const otherLevel = this.#level(other);
      assert(
        otherLevel >= level,
        `level ${level} started before ${otherLevel}`,
      );
      const isRival = keyed
        ? other.key !== undefined && other.key === entry.key &&
          other.handle.priority === entry.handle.priority
        : otherLevel === level;
      if (isRival) assert(other.age > entry.age, "not first in, first out");
    }
  }

  #checkRate(now: number): void {
    const { rateLimit } = this.#options;
    this.#starts.push(now);
    if (rateLimit === undefined) return;
    const { limit, interval } = rateLimit;
    const recent = this.#starts.filter((start) => start > now - interval);
    assert(recent.length <= limit, `${recent.length} starts of ${limit}`);
  }

  /** Within a level a key that could start is passed by at most once by each other key. */
  #checkFairness(entry: Entry): void {
    if (
      this.#options.maxPerKey === undefined ||
      this.#options.aging !== undefined
    ) return;
    const level = entry.handle.priority;
    const place = (key: string | undefined) => `${level} ${key}`;
    if (entry.key !== undefined) this.#passedBy.delete(place(entry.key));
    const keys = new Set(
      this.#queue().filter((other) =>
        other.handle.priority === level && other.key !== undefined
      ).map(({ key }) => key),
    );
    for (const key of keys) {
      if (key === entry.key || entry.key === undefined) continue;
      if (!this.#hasPlace(key)) {
        this.#passedBy.delete(place(key));
        continue;
      }
      const counts = this.#passedBy.get(place(key)) ?? new Map();
      this.#passedBy.set(place(key), counts);
      const count = (counts.get(entry.key) ?? 0) + 1;
      counts.set(entry.key, count);
      assert(count <= 1, `${entry.key} went twice before ${key}`);
    }
  }

  #settled(task: TaskInfo): void {
    const entry = this.#byId.get(task.id) ?? fail("unknown task settled");
    if (entry.place === "queue") entry.place = "gone";
    this.#forgetPassed();
  }

  /** A key that has nothing left in a level leaves its turn there. */
  #forgetPassed(): void {
    const places = new Set(
      this.#queue().map(({ key, handle }) => `${handle.priority} ${key}`),
    );
    for (const place of this.#passedBy.keys()) {
      if (!places.has(place)) this.#passedBy.delete(place);
    }
  }

  #ended(task: TaskInfo): void {
    const entry = this.#byId.get(task.id) ?? fail("unknown task ended");
    assertEquals(entry.place, "running");
    entry.place = "gone";
    // A key's waiters that get a place again join the turn at its end.
    for (const at of this.#passedBy.keys()) {
      if (at.slice(2) === entry.key) this.#passedBy.delete(at);
    }
  }

  // --- Checks between the steps -----------------------------------------------------------

  #checkCounts(): void {
    this.#throwViolation();
    const { scheduler } = this;
    const stats = scheduler.stats();
    assertEquals(scheduler.size, this.#queue().length);
    assertEquals(scheduler.running, this.#running().length);
    assertEquals(stats.submitted, this.#accepted);
    const open = [...this.#byId.values()].filter(isOpen).length;
    assertEquals(
      stats.succeeded + stats.failed + stats.cancelled + open,
      this.#accepted,
    );
  }

  #throwViolation(): void {
    for (const violation of this.#violations) throw violation;
  }

  /** Everything that can happen without time passing has happened. */
  async #quiet(): Promise<void> {
    await microtasks();
    await macrotask();
    await microtasks();
    this.#throwViolation();
    const { maxQueue = Infinity, overflow = "wait", rateLimit } = this.#options;
    const queue = this.#queue();
    if (queue.length <= maxQueue) this.#isBoundKept = true;
    else if (overflow !== "wait") {
      assert(!this.#isBoundKept, "the queue is above maxQueue");
    }
    if (queue.length === 0 || this.#paused) return;
    const startable = queue.filter(({ key }) => this.#hasPlace(key));
    const used = this.#used();
    const now = performance.now();
    const isHeld = rateLimit !== undefined &&
      this.#starts.filter((start) => start > now - rateLimit.interval)
          .length >= rateLimit.limit;
    if (isHeld) return;
    // A slot is free, and yet nobody starts: only for a heavy one that waits for its slots.
    assert(
      startable.length === 0 || used >= this.#limit ||
        startable.some(({ weight }) => used + weight > this.#limit),
      "a slot is idle although work waits",
    );
  }

  async #finish(): Promise<void> {
    const { scheduler } = this;
    const idle = scheduler.onIdle();
    for (
      let round = 0;
      scheduler.size + scheduler.running > 0;
      round++
    ) {
      assert(round < 2000, "it never becomes idle");
      // A task may have paused it just now.
      this.#paused = false;
      scheduler.resume();
      for (const { held } of this.#running()) held.end("done");
      this.#clock.time.tick(10);
      await this.#quiet();
    }
    await idle;
    await microtasks();
    this.#checkCounts();
    for (const entry of this.#entries) {
      const { handle, starts, settlements, expected } = entry;
      assertEquals(settlements, 1, "a handle settles exactly once");
      assert(starts <= 1, "a task starts once at most");
      assert(!isOpen(entry));
      if (expected !== undefined) assertEquals(handle.state, expected);
      if (handle.state === "succeeded") assertEquals(await handle, "done");
      else {
        const reason: unknown = await handle.catch((reason) => reason);
        if (handle.state === "cancelled") {
          assert(["cancel", "clear", "abort"].includes(String(reason)));
        } else {
          assert(
            reason instanceof QueueFullError ||
              (reason instanceof Error && reason.message === "failed") ||
              (reason instanceof DOMException &&
                reason.name === "TimeoutError"),
            String(reason),
          );
        }
      }
    }
    assertEquals(timers.size, 0, "a timer is left");
  }

  #pick(pick: number, use: (entry: Entry) => void): void {
    const entry = this.#entries[pick % Math.max(1, this.#entries.length)];
    if (entry !== undefined) use(entry);
  }
}

function isOpen({ handle }: Entry): boolean {
  return handle.state === "queued" || handle.state === "running";
}
