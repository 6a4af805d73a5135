/**
 * Events as a stream. They come whether somebody reads or not, so what happens to those that
 * cannot be kept is chosen, not left to chance.
 *
 * @module
 */
import type { PullableIterator } from "./engine/types.ts";
import type { Wait } from "../_internal/iterators.ts";
import { StreamOverflowError } from "./errors.ts";
import { Relay, type RelaySource } from "./engine/relay.ts";
import { bufferChecks, type StreamOverflow } from "./options.ts";
import {
  checkOptions,
  type Checks,
  functionNamed,
  object,
  string,
} from "../_internal/validate.ts";

/** How events are kept until they are read. */
export interface EventOptions {
  /** Most events that wait to be read. @default {1024} */
  buffer?: number | undefined;
  /** What becomes of one more. @default {"error"} */
  overflow?: StreamOverflow | undefined;
}

const CHECKS: Checks<EventOptions> = bufferChecks();

/** An emitter of the kind that Node has. */
export interface EventEmitterLike {
  /** Adds a listener. */
  on(type: string, listener: (event: never) => void): unknown;
  /** Removes it. */
  off(type: string, listener: (event: never) => void): unknown;
}

/** See the module. The listener is there from the first read to the end of the reading. */
class EventReader<E> implements RelaySource {
  readonly relay = new Relay<E>(this);
  readonly #target: EventTarget | EventEmitterLike;
  readonly #type: string;
  readonly #buffer: number;
  readonly #overflow: StreamOverflow;
  #isListening = false;

  constructor(
    target: EventTarget | EventEmitterLike,
    type: string,
    buffer: number,
    overflow: StreamOverflow,
  ) {
    this.#target = target;
    this.#type = type;
    this.#buffer = buffer;
    this.#overflow = overflow;
  }

  demand(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    if (this.#target instanceof EventTarget) {
      this.#target.addEventListener(this.#type, this.#heard as () => void);
    } else this.#target.on(this.#type, this.#heard as () => void);
  }

  close(): Wait {
    if (!this.#isListening) return undefined;
    this.#isListening = false;
    if (this.#target instanceof EventTarget) {
      this.#target.removeEventListener(this.#type, this.#heard as () => void);
    } else this.#target.off(this.#type, this.#heard as () => void);
    return undefined;
  }

  readonly #heard = (event: E): void => {
    if (this.relay.size < this.#buffer || this.relay.isAwaited) {
      this.relay.push(event);
    } else if (this.#overflow === "error") {
      this.close();
      this.relay.fail(
        new StreamOverflowError(`fromEvents("${this.#type}")`, this.#buffer),
      );
    } else if (this.#overflow === "drop-oldest") {
      this.relay.drop();
      this.relay.push(event);
    }
  };
}

/** See AsyncStream.fromEvents. */
export function fromEvents<E>(
  target: EventTarget | EventEmitterLike,
  type: string,
  options: EventOptions,
): () => PullableIterator<E> {
  checkOptions("fromEvents()", options, CHECKS);
  const { buffer = 1024, overflow = "error" } = options;
  string("type", type);
  if (!(target instanceof EventTarget)) {
    object("target", target, "an EventTarget or ");
    functionNamed("target.on", target.on);
    functionNamed("target.off", target.off);
  }
  return () => new EventReader<E>(target, type, buffer, overflow).relay;
}
