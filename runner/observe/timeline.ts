/**
 * What ran when, on which slot, and who waited: the last tasks as Chrome trace events, the
 * format that Perfetto (ui.perfetto.dev) and chrome://tracing open.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import { Ring } from "../../_internal/ring.ts";
import type { TaskInfo, TaskObserver } from "../types.ts";

/** One event, as the Trace Event Format names its fields. Times are in microseconds. */
export interface TraceEvent {
  /** What is shown. */
  name: string;
  /** The category: `task`, `queue` or `__metadata`. */
  cat: string;
  /** The phase: `X` a span with a duration, `b` and `e` the two ends of a wait, `M` a name. */
  ph: "X" | "b" | "e" | "M";
  /** When, in microseconds. */
  ts: number;
  /** How long, in microseconds; of a span. */
  dur?: number;
  /** The process: always 1. */
  pid: number;
  /** The slot, from 1. */
  tid: number;
  /** What joins the two ends of a wait. */
  id?: string;
  /** What is shown when it is selected. */
  args: Record<string, string | number>;
}

/** A timeline, ready for `JSON.stringify`. */
export interface Timeline {
  /** The events, by time. */
  traceEvents: TraceEvent[];
  /** How viewers show times. */
  displayTimeUnit: "ms";
}

interface TaskRecord {
  readonly name: string;
  readonly id: string;
  readonly priority: number;
  readonly queuedAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  slot: number;
  state: string;
}

/** Records tasks as they pass. */
export class TimelineRecorder implements TaskObserver {
  // Invariant: #open holds the tasks that wait or run, #done the last #limit that have ended;
  // a slot number is in use by exactly one running task, and the smallest free one is given out,
  // so that the picture has as many rows as tasks ran at once.
  readonly #limit: number;
  readonly #open = new Map<string, TaskRecord>();
  readonly #done = new Ring<TaskRecord>();
  readonly #slots: boolean[] = [];

  /** `limit`: how many ended tasks are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  queued(task: TaskInfo): void {
    this.#open.set(task.id, {
      name: task.name,
      id: task.id,
      priority: task.priority,
      queuedAt: now(),
      startedAt: undefined,
      endedAt: undefined,
      slot: 0,
      state: "queued",
    });
  }

  started(task: TaskInfo): void {
    const record = this.#open.get(task.id);
    if (record === undefined) return;
    record.startedAt = now();
    record.state = "running";
    const free = this.#slots.indexOf(false);
    record.slot = free === -1 ? this.#slots.push(true) : free + 1;
    this.#slots[record.slot - 1] = true;
  }

  settled(task: TaskInfo): void {
    const record = this.#open.get(task.id);
    if (record === undefined) return;
    record.state = task.state;
    // Never started: it ends here. Otherwise `ended` comes, at once or later.
    if (record.startedAt === undefined) this.#close(record);
  }

  ended(task: TaskInfo): void {
    const record = this.#open.get(task.id);
    if (record === undefined) return;
    this.#slots[record.slot - 1] = false;
    this.#close(record);
  }

  #close(record: TaskRecord): void {
    record.endedAt = now();
    this.#open.delete(record.id);
    if (this.#done.size === this.#limit) this.#done.shift();
    this.#done.push(record);
  }

  /** The tasks that have ended, and those that are running. */
  snapshot(): Timeline {
    const events: TraceEvent[] = [];
    for (let index = 0; index < this.#done.size; index++) {
      // Within the ring.
      addEvents(events, this.#done.at(index)!, now());
    }
    for (const record of this.#open.values()) addEvents(events, record, now());
    events.sort((a, b) => a.ts - b.ts);
    const names = this.#slots.map((_, index): TraceEvent => ({
      name: "thread_name",
      cat: "__metadata",
      ph: "M",
      ts: 0,
      pid: 1,
      tid: index + 1,
      args: { name: `slot ${index + 1}` },
    }));
    return { traceEvents: [...names, ...events], displayTimeUnit: "ms" };
  }
}

function addEvents(
  events: TraceEvent[],
  record: TaskRecord,
  time: number,
): void {
  const { name, id, priority, queuedAt, startedAt, state } = record;
  const endedAt = record.endedAt ?? time;
  const waitedUntil = startedAt ?? endedAt;
  const common = { name, pid: 1, args: { id, priority, state } };
  const wait = { ...common, cat: "queue", tid: 0, id };
  events.push(
    { ...wait, ph: "b", ts: queuedAt * 1000 },
    { ...wait, ph: "e", ts: waitedUntil * 1000 },
  );
  if (startedAt === undefined) return;
  events.push({
    ...common,
    cat: "task",
    ph: "X",
    ts: startedAt * 1000,
    dur: (endedAt - startedAt) * 1000,
    tid: record.slot,
    args: { ...common.args, waited: waitedUntil - queuedAt },
  });
}
