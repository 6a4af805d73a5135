/**
 * The connections of one engine: each tries again for ever, and together they know whether Redis
 * is there.
 *
 *     up ──error or close──▶ down ──ready──▶ up   (each connection for itself)
 *
 * @module
 */
import type { Redis } from "ioredis";
import type { RedisConnectionOptions } from "../address.ts";
import { connect } from "./connection.ts";

/** Who is told what. */
export interface ConnectionsListener {
  /** Redis is away: told once for each outage. */
  report(error: Error): void;
  /** All connections are there again; something may have been missed meanwhile. */
  reconnected(): void;
}

/** Opens connections and watches them. */
export class Connections {
  // Invariant: #down holds exactly the connections that were up and are not, or that have failed
  // to come up, with what was last heard of each. #isReported is true from the first error of an
  // outage until #down is empty again.
  readonly #where: string | RedisConnectionOptions;
  readonly #listener: ConnectionsListener;
  readonly #down = new Map<Redis, Error>();
  #isReported = false;
  #isClosing = false;

  constructor(
    where: string | RedisConnectionOptions,
    listener: ConnectionsListener,
  ) {
    this.#where = where;
    this.#listener = listener;
  }

  /** What is wrong, while a connection is down. */
  get trouble(): Error | undefined {
    for (const error of this.#down.values()) return error;
    return undefined;
  }

  open(): Redis {
    const redis = connect(this.#where);
    redis.on("error", (error) => {
      if (this.#isClosing) return;
      this.#down.set(redis, error);
      if (this.#isReported) return;
      this.#isReported = true;
      this.#listener.report(error);
    });
    redis.on("close", () => {
      // Without an error: the other side has hung up, as proxies and failovers do.
      if (this.#isClosing || this.#down.has(redis)) return;
      this.#down.set(redis, new Error("Redis closed the connection"));
    });
    redis.on("ready", () => {
      if (!this.#down.delete(redis) || this.#down.size > 0) return;
      this.#isReported = false;
      this.#listener.reconnected();
    });
    return redis;
  }

  /** From now on what happens to the connections is no news. */
  closing(): void {
    this.#isClosing = true;
  }
}
