/**
 * The events of a queue, from now on and for as long as it is wanted: reading goes on after a
 * lost connection and after an entry that cannot be read.
 *
 * @module
 */
import { QueueEvents, type QueueEventsOptions } from "bullmq";
import type { Redis } from "ioredis";
import { Pauses } from "./pauses.ts";

/** How long to wait before reading on after a failure. */
const AGAIN_AFTER = 500;

/** Where the events come from, and who hears of trouble. */
export interface EventStreamOptions {
  readonly queue: string;
  readonly prefix: string;
  /** For commands. */
  readonly redis: Redis;
  /** For the reading alone: it blocks its connection. Closed along with the stream. */
  readonly reader: Redis;
  /** Ends a connection. */
  readonly drop: (redis: Redis) => Promise<void>;
  readonly failed: (error: Error) => void;
  /** Some events were passed over. */
  readonly skipped: () => void;
}

/** BullMQ's reader, which pauses no longer than it is wanted. */
class EventReader extends QueueEvents {
  readonly pauses: Pauses = new Pauses();

  protected override checkConnectionError<T>(
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    return this.pauses.afterFailure(
      work,
      (work) => super.checkConnectionError(work, 0),
    );
  }

  override close(): Promise<void> {
    this.pauses.end();
    return super.close();
  }
}

/** One stream of events. */
export class EventStream {
  readonly #options: EventStreamOptions;
  #events: EventReader | undefined;
  #reading: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: EventStreamOptions) {
    this.#options = options;
  }

  /**
   * Begins to read; `subscribe` says which events are wanted. The place to begin at is read first:
   * BullMQ's own default begins when its first read arrives, and misses what happens before.
   */
  async open(subscribe: (events: QueueEvents) => void): Promise<void> {
    const { queue, prefix, reader, failed } = this.#options;
    const lastEventId = await this.#newest();
    if (this.#closed !== undefined) return;
    const events = new EventReader(queue, {
      connection: reader,
      prefix,
      autorun: false,
      lastEventId,
    });
    events.on("error", failed);
    subscribe(events);
    this.#events = events;
    this.#reading = this.#read(events);
  }

  /** Never rejects. */
  async #read(events: EventReader): Promise<void> {
    while (this.#closed === undefined) {
      try {
        await events.run();
      } catch (error) {
        // An entry that no program of ours has written: what it hides is found in the store.
        this.#options.failed(
          error instanceof Error ? error : new Error(String(error)),
        );
        await this.#passOver(events);
      }
    }
  }

  async #passOver(events: EventReader): Promise<void> {
    await events.pauses.pause(AGAIN_AFTER);
    if (this.#closed !== undefined) return;
    try {
      const options: QueueEventsOptions = events.opts;
      options.lastEventId = await this.#newest();
      this.#options.skipped();
    } catch {
      // Then the same entry is met again, and so is this place.
    }
  }

  async #newest(): Promise<string> {
    const { redis, prefix, queue } = this.#options;
    const key = `${prefix}:${queue}:events`;
    const [newest] = await redis.xrevrange(key, "+", "-", "COUNT", 1);
    return newest?.[0] ?? "0-0";
  }

  /** Resolves when nothing is read any more; further calls wait for the same. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    const { drop, reader } = this.#options;
    await Promise.all([
      this.#events?.close(),
      // A connection that is down would be waited for.
      drop(reader),
    ]);
    await this.#reading;
  }
}
