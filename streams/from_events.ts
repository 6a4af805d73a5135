/**
 * Events as a stream. They come whether somebody reads or not, so what happens to those that
 * cannot be kept is chosen, not left to chance.
 *
 * @module
 */
import type { PullableIterator } from "./engine/types.ts";
import { StreamOverflowError } from "./errors.ts";
import { Relay } from "./engine/relay.ts";
import { bufferChecks, type StreamOverflow } from "./options.ts";
import {
  type Checks,
  functionNamed,
  object,
  string,
  takeOptions,
} from "../_internal/validate.ts";

/** How events are kept until they are read. */
export interface EventOptions {
  /** Most events that wait to be read. @default {1024} */
  buffer?: number | undefined;
  /** What becomes of one more. @default {"error"} */
  overflow?: StreamOverflow | undefined;
}

const CHECKS: Checks<EventOptions> = bufferChecks();

const DEFAULTS = { buffer: 1024, overflow: "error" } as const;

/** An emitter of the kind that Node has. */
export interface EventEmitterLike {
  /** Adds a listener. */
  on(type: string, listener: (event: never) => void): unknown;
  /** Removes it. */
  off(type: string, listener: (event: never) => void): unknown;
}

/** See AsyncStream.fromEvents. The listener is there from the first read to the end of the reading. */
export function fromEvents<E>(
  target: EventTarget | EventEmitterLike,
  type: string,
  options: EventOptions,
): () => PullableIterator<E> {
  const { buffer, overflow } = takeOptions(
    "fromEvents()",
    options,
    CHECKS,
    DEFAULTS,
  );
  string("type", type);
  if (!(target instanceof EventTarget)) {
    object("target", target, "an EventTarget or ");
    functionNamed("target.on", target.on);
    functionNamed("target.off", target.off);
  }
  return () => {
    let isListening = false;
    const listen = (listens: boolean): undefined => {
      if (isListening === listens) return;
      isListening = listens;
      const listener = heard as () => void;
      if (!(target instanceof EventTarget)) {
        target[listens ? "on" : "off"](type, listener);
      } else if (listens) target.addEventListener(type, listener);
      else target.removeEventListener(type, listener);
    };
    const relay = new Relay<E>({
      demand: () => listen(true),
      close: () => listen(false),
    });
    const heard = (event: E): void => {
      if (relay.offer(event, buffer, overflow)) return;
      listen(false);
      relay.fail(new StreamOverflowError(`fromEvents("${type}")`, buffer));
    };
    return relay;
  };
}
