/**
 * What OpenTelemetry hears of pools: where the resources are, who waits, and what was acquired, of
 * all pools of the process together. Made only when a provider is registered.
 *
 * Observable instruments would ask by themselves, but Deno's exporter does not call them: so the
 * differences are added, once for everything that a turn has changed.
 *
 * @module
 */
import type { Meter } from "@opentelemetry/api";
import { sharedTelemetry } from "../../telemetry/provider.ts";
import type { ResourcePoolStats } from "./types.ts";

const STATES = {
  creating: { "async_core.pool.state": "creating" },
  idle: { "async_core.pool.state": "idle" },
  validating: { "async_core.pool.state": "validating" },
  leased: { "async_core.pool.state": "leased" },
  cleaning: { "async_core.pool.state": "cleaning" },
} as const;

/** The instruments of all pools; `undefined` while nobody listens. */
const poolInstruments: () => PoolInstruments | undefined = sharedTelemetry(
  (_tracer, meter) => meter && instruments(meter),
);

type PoolInstruments = ReturnType<typeof instruments>;

function instruments(meter: Meter) {
  return {
    resources: meter.createUpDownCounter("async_core.pool.resources", {
      description: "Resources that exist, by state",
      unit: "{resource}",
    }),
    counts: {
      waiting: meter.createUpDownCounter("async_core.pool.waiting", {
        description: "Acquires that wait",
        unit: "{acquire}",
      }),
      acquired: meter.createCounter("async_core.pool.acquires", {
        description: "Leases given",
        unit: "{lease}",
      }),
      timedOut: meter.createCounter("async_core.pool.timeouts", {
        description: "Acquires that ran out of time",
        unit: "{acquire}",
      }),
      failed: meter.createCounter("async_core.pool.failures", {
        description: "Calls of a factory that failed",
        unit: "{call}",
      }),
    },
  };
}

/** Tells of one pool. */
export class PoolTelemetry {
  // Invariant: what was added so far is #told; a report is due in a microtask exactly while
  // #isDue, so that every change that called `changed` is told in the end.
  readonly #instruments: PoolInstruments;
  readonly #stats: () => ResourcePoolStats;
  #told: Partial<ResourcePoolStats> = {};
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
    const { resources, counts } = this.#instruments;
    const grown = (count: keyof ResourcePoolStats) =>
      present[count] - (before[count] ?? 0);
    for (const state of Object.keys(STATES) as (keyof typeof STATES)[]) {
      if (grown(state) !== 0) resources.add(grown(state), STATES[state]);
    }
    for (const count of Object.keys(counts) as (keyof typeof counts)[]) {
      if (grown(count) !== 0) counts[count].add(grown(count));
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
