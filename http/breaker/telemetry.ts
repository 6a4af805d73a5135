/**
 * What OpenTelemetry hears of circuit breakers: their changes of state, by name (with
 * `CircuitBreaker.perOrigin`, the origin). Made only when a provider is registered.
 *
 * @module
 */
import type { Counter, Gauge, Meter } from "@opentelemetry/api";
import { sharedTelemetry } from "../../telemetry/provider.ts";
import { CircuitState } from "./circuit_state.ts";

/** The telemetry of circuit breakers; `undefined` while nobody listens. */
export const breakerTelemetry: () => BreakerTelemetry | undefined =
  sharedTelemetry((_tracer, meter) => new BreakerTelemetry(meter));

/** Metrics of all breakers. */
export class BreakerTelemetry {
  readonly #state: Gauge | undefined;
  readonly #changes: Counter | undefined;

  constructor(meter: Meter | undefined) {
    this.#state = meter?.createGauge("async_core.breaker.state", {
      description: "0 closed, 1 half-open, 2 open",
    });
    this.#changes = meter?.createCounter("async_core.breaker.changes", {
      description: "Changes of state",
      unit: "{change}",
    });
  }

  /** A breaker has changed its state. */
  changed(to: CircuitState, name: string | undefined): void {
    const named = name === undefined
      ? undefined
      : { "async_core.breaker.name": name };
    this.#state?.record(
      to === CircuitState.CLOSED ? 0 : to === CircuitState.OPEN ? 2 : 1,
      named,
    );
    this.#changes?.add(1, { ...named, "async_core.breaker.state": to });
  }
}
