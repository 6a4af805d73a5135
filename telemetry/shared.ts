/**
 * One set of instruments for each kind of thing, however many things there are: two counters of
 * the same name would be exported as two series.
 *
 * @module
 */
import {
  type Meter,
  metrics,
  ProxyTracerProvider,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { activeMeter, activeTracer } from "./provider.ts";

/**
 * A function that gives what `make` made for the present providers; `undefined` while nobody
 * listens. It costs a comparison, so that it may be asked for each call.
 */
export function sharedTelemetry<T>(
  make: (tracer: Tracer | undefined, meter: Meter | undefined) => T,
): () => T | undefined {
  let madeFor: unknown[] = [];
  let made: T | undefined;
  return () => {
    const provider = trace.getTracerProvider();
    const tracers = provider instanceof ProxyTracerProvider
      ? provider.getDelegate()
      : provider;
    const meters = metrics.getMeterProvider();
    if (madeFor[0] !== tracers || madeFor[1] !== meters) {
      madeFor = [tracers, meters];
      const tracer = activeTracer();
      const meter = activeMeter();
      made = tracer === undefined && meter === undefined
        ? undefined
        : make(tracer, meter);
    }
    return made;
  };
}
