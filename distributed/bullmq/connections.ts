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
import { whenClosed } from "./connector.ts";

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
  // outage until #down is empty again. #all holds whatever was opened and has not ended.
  readonly #where: string | RedisConnectionOptions;
  readonly #listener: ConnectionsListener;
  readonly #all = new Set<Redis>();
  readonly #dropped = new WeakSet<Redis>();
  readonly #down = new Map<Redis, Error>();
  #isReported = false;
  #isClosing = false;
  #isClosed = false;

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
    const redis: Redis = connect(
      this.#where,
      () => this.#isClosed || this.#dropped.has(redis),
      // BullMQ's own copies say by themselves when they are down.
      (copy) => this.#keep(copy),
    );
    this.#keep(redis);
    redis.on("error", (error) => {
      if (this.#isClosing || this.#dropped.has(redis)) return;
      this.#down.set(redis, error);
      if (this.#isReported) return;
      this.#isReported = true;
      this.#listener.report(error);
    });
    redis.on("close", () => {
      // Without an error: the other side has hung up, as proxies and failovers do.
      if (
        this.#isClosing || this.#dropped.has(redis) || this.#down.has(redis)
      ) return;
      this.#down.set(redis, new Error("Redis closed the connection"));
    });
    redis.on("ready", () => {
      if (!this.#down.delete(redis) || this.#down.size > 0) return;
      this.#isReported = false;
      this.#listener.reconnected();
    });
    redis.on("end", () => this.#down.delete(redis));
    return redis;
  }

  #keep(redis: Redis): void {
    this.#all.add(redis);
    redis.on("end", () => this.#all.delete(redis));
    redis.on("error", (error) => {
      // A database that Redis refuses must not become another one: ioredis would go on in 0.
      if (isSelect(error)) redis.disconnect(true);
    });
    redis.on("ready", () => {
      if (this.#isClosed || this.#dropped.has(redis)) redis.disconnect();
    });
  }

  /** From now on what happens to the connections is no news. */
  closing(): void {
    this.#isClosing = true;
  }

  /** Ends one of them; what waits for an answer fails. Resolves when its socket is closed. */
  async drop(redis: Redis): Promise<void> {
    this.#dropped.add(redis);
    this.#down.delete(redis);
    redis.disconnect();
    await whenClosed(redis.stream);
  }

  /** Ends all of them; resolves when their sockets are closed. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#isClosed = true;
    await Promise.all([...this.#all].map((redis) => this.drop(redis)));
  }
}

/** Whether Redis has refused to choose a database. */
function isSelect(error: Error & { command?: { name: string } }): boolean {
  return error.command?.name === "select";
}
