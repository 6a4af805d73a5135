/**
 * Whether anybody listens: the way to OpenTelemetry's tracer and meter that is `undefined` while
 * no provider is registered, so that instrumented code can leave itself out.
 *
 * @module
 */
import {
  createNoopMeter,
  type Meter,
  metrics,
  ProxyTracerProvider,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { PACKAGE, VERSION } from "../_internal/version.ts";

/** The tracer of this package; `undefined` while no tracer provider is registered. */
export function activeTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  // The API's own stand-in, which has a delegate only once a real provider was set.
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer(PACKAGE, VERSION)
    : provider.getTracer(PACKAGE, VERSION);
}

/** The meter of this package; `undefined` while no meter provider is registered. */
export function activeMeter(): Meter | undefined {
  const meter = metrics.getMeter(PACKAGE, VERSION);
  // Every meter that does nothing hands out the same instruments.
  return meter.createCounter("probe") === createNoopMeter().createCounter("")
    ? undefined
    : meter;
}

/**
 * A function that gives what `make` made for the present providers; `undefined` while nobody
 * listens. It costs a comparison, so that it may be asked for each call. One set of instruments for
 * each kind of thing, however many things there are: two counters of the same name would be
 * exported as two series.
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
