/**
 * What OpenTelemetry hears of pools: where the resources are, who waits, and what was acquired, of
 * all pools of the process together. Made only when a provider is registered.
 *
 * Observable instruments would ask by themselves, but Deno's exporter does not call them: so the
 * differences are added, once for everything that a turn has changed.
 *
 * @module
 */
import type {
  Attributes,
  Counter,
  Meter,
  UpDownCounter,
} from "@opentelemetry/api";
import { sharedTelemetry } from "../../telemetry/shared.ts";
import type { ResourcePoolStats } from "./types.ts";

const STATES = [
  "creating",
  "idle",
  "validating",
  "leased",
  "cleaning",
] as const;

const ATTRIBUTES: Readonly<Record<(typeof STATES)[number], Attributes>> = {
  creating: { "async_core.pool.state": "creating" },
  idle: { "async_core.pool.state": "idle" },
  validating: { "async_core.pool.state": "validating" },
  leased: { "async_core.pool.state": "leased" },
  cleaning: { "async_core.pool.state": "cleaning" },
};

/** The instruments of all pools; `undefined` while nobody listens. */
const poolInstruments: () => PoolInstruments | undefined = sharedTelemetry(
  (_tracer, meter) =>
    meter === undefined ? undefined : new PoolInstruments(meter),
);

class PoolInstruments {
  readonly resources: UpDownCounter;
  readonly waiting: UpDownCounter;
  readonly acquires: Counter;
  readonly timeouts: Counter;
  readonly failures: Counter;

  constructor(meter: Meter) {
    this.resources = meter.createUpDownCounter("async_core.pool.resources", {
      description: "Resources that exist, by state",
      unit: "{resource}",
    });
    this.waiting = meter.createUpDownCounter("async_core.pool.waiting", {
      description: "Acquires that wait",
      unit: "{acquire}",
    });
    this.acquires = meter.createCounter("async_core.pool.acquires", {
      description: "Leases given",
      unit: "{lease}",
    });
    this.timeouts = meter.createCounter("async_core.pool.timeouts", {
      description: "Acquires that ran out of time",
      unit: "{acquire}",
    });
    this.failures = meter.createCounter("async_core.pool.failures", {
      description: "Calls of a factory that failed",
      unit: "{call}",
    });
  }
}

/** Nothing has been told yet. */
const NOTHING: ResourcePoolStats = {
  ...{ total: 0, creating: 0, idle: 0, validating: 0, leased: 0, cleaning: 0 },
  ...{
    waiting: 0,
    acquired: 0,
    created: 0,
    destroyed: 0,
    failed: 0,
    timedOut: 0,
  },
};

/** Tells of one pool. */
export class PoolTelemetry {
  // Invariant: what was added so far is #told; a report is due in a microtask exactly while
  // #isDue, so that every change that called `changed` is told in the end.
  readonly #instruments: PoolInstruments;
  readonly #stats: () => ResourcePoolStats;
  #told = NOTHING;
  #isDue = false;

  constructor(instruments: PoolInstruments, stats: () => ResourcePoolStats) {
    this.#instruments = instruments;
    this.#stats = stats;
  }

  /** A number may have changed. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => this.#report());
  }

  #report(): void {
    this.#isDue = false;
    const before = this.#told;
    const present = this.#told = this.#stats();
    const { resources, waiting, acquires, timeouts, failures } =
      this.#instruments;
    for (const state of STATES) {
      const difference = present[state] - before[state];
      if (difference !== 0) resources.add(difference, ATTRIBUTES[state]);
    }
    const more = present.waiting - before.waiting;
    if (more !== 0) waiting.add(more);
    if (present.acquired > before.acquired) {
      acquires.add(present.acquired - before.acquired);
    }
    if (present.timedOut > before.timedOut) {
      timeouts.add(present.timedOut - before.timedOut);
    }
    if (present.failed > before.failed) {
      failures.add(present.failed - before.failed);
    }
  }
}

/** The telemetry of a new pool; `undefined` while nobody listens. */
export function poolTelemetry(
  stats: () => ResourcePoolStats,
): PoolTelemetry | undefined {
  const instruments = poolInstruments();
  return instruments === undefined
    ? undefined
    : new PoolTelemetry(instruments, stats);
}
