/**
 * What OpenTelemetry hears of tasks: a span for each while it runs, which is the parent of what
 * the task does, and metrics of the queue. Made only when a provider is registered.
 *
 * @module
 */
import type {
  Histogram,
  Meter,
  Span,
  Tracer,
  UpDownCounter,
} from "@opentelemetry/api";
import type { Runnable } from "../../_internal/async_context.ts";
import { now } from "../../_internal/clock.ts";
import { activeMeter, activeTracer } from "../../telemetry/provider.ts";
import { recordError } from "../../telemetry/span.ts";
import type { TaskContext, TaskInfo, TaskObserver } from "../types.ts";

/** From a tenth of a millisecond to a minute, in seconds. */
const BOUNDARIES = [
  0.0001,
  0.001,
  0.005,
  0.01,
  0.05,
  0.1,
  0.5,
  1,
  5,
  10,
  60,
];

interface OpenTask {
  /** The level it was counted under when it joined the queue. */
  readonly counted: { "task.priority": number };
  readonly queuedAt: number;
  startedAt: number | undefined;
  span: Span | undefined;
}

/** The telemetry of a new scheduler; `undefined` while nobody listens. */
export function taskTelemetry(): TaskTelemetry | undefined {
  const tracer = activeTracer();
  const meter = activeMeter();
  return tracer === undefined && meter === undefined
    ? undefined
    : new TaskTelemetry(tracer, meter);
}

/** Spans and metrics of the tasks of one scheduler. */
export class TaskTelemetry implements TaskObserver {
  // Invariant: #open holds the tasks that were queued and have not really ended; a span is begun
  // when the function is called and ended when it has ended, after a cancel too.
  readonly #tracer: Tracer | undefined;
  readonly #depth: UpDownCounter | undefined;
  readonly #wait: Histogram | undefined;
  readonly #run: Histogram | undefined;
  readonly #open = new Map<TaskInfo, OpenTask>();

  constructor(tracer: Tracer | undefined, meter: Meter | undefined) {
    this.#tracer = tracer;
    this.#depth = meter?.createUpDownCounter("async_core.queue.depth", {
      description: "Tasks that wait",
      unit: "{task}",
    });
    this.#wait = meter?.createHistogram("async_core.task.wait", {
      description: "Time from submit to start",
      unit: "s",
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
    this.#run = meter?.createHistogram("async_core.task.run", {
      description: "Time from start to the real end",
      unit: "s",
      advice: { explicitBucketBoundaries: BOUNDARIES },
    });
  }

  queued(task: TaskInfo): void {
    const counted = priorityOf(task);
    this.#open.set(task, {
      counted,
      queuedAt: now(),
      startedAt: undefined,
      span: undefined,
    });
    this.#depth?.add(1, counted);
  }

  started(task: TaskInfo): void {
    const open = this.#open.get(task);
    if (open === undefined) return;
    open.startedAt = now();
    this.#depth?.add(-1, open.counted);
    this.#wait?.record(
      (open.startedAt - open.queuedAt) / 1000,
      priorityOf(task),
    );
  }

  settled(task: TaskInfo, reason: unknown): void {
    const open = this.#open.get(task);
    if (open === undefined) return;
    if (open.startedAt === undefined) {
      this.#open.delete(task);
      this.#depth?.add(-1, open.counted);
      return;
    }
    open.span?.setAttribute("task.state", task.state);
    if (task.state === "failed" && open.span !== undefined) {
      recordError(open.span, reason);
    }
  }

  ended(task: TaskInfo): void {
    const open = this.#open.get(task);
    if (open?.startedAt === undefined) return;
    this.#open.delete(task);
    this.#run?.record((now() - open.startedAt) / 1000, {
      ...priorityOf(task),
      "task.state": task.state,
    });
    open.span?.end();
  }

  /** The task with its span around it. The submitter's async context is the present one. */
  within(task: TaskInfo & Runnable<TaskContext>): Runnable<TaskContext> {
    const tracer = this.#tracer;
    const open = this.#open.get(task);
    if (tracer === undefined || open === undefined) return task;
    return {
      run: (context) =>
        tracer.startActiveSpan("task", {
          attributes: {
            "task.id": task.id,
            "task.name": task.name,
            ...priorityOf(task),
            "task.wait_ms": (open.startedAt ?? open.queuedAt) - open.queuedAt,
          },
        }, (span) => {
          open.span = span;
          return task.run(context);
        }),
    };
  }
}

function priorityOf(task: TaskInfo): { "task.priority": number } {
  return { "task.priority": task.priority };
}
