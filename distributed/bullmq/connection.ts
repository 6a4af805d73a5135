/**
 * How Redis is reached: connections that last.
 *
 * @module
 */
import { Redis, type RedisOptions } from "ioredis";
import type { RedisConnectionOptions } from "../address.ts";
import { SocketConnector } from "./connector.ts";

/** Longest time between two tries to connect. */
const MAX_PAUSE = 1000;

/** A connection that ends when it is told to, and whose copies, which BullMQ makes, are known. */
class WatchedRedis extends Redis {
  copied: ((copy: Redis) => void) | undefined;

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = new WatchedRedis({ ...this.options, ...override });
    copy.copied = this.copied;
    this.copied?.(copy);
    return copy;
  }

  override disconnect(isWantedAgain = false): void {
    // Between two tries ioredis would stop trying and not say so, and whoever waits for its end
    // would wait for ever: a further try, which is called off at once, tells them.
    const isPausing = this.status === "reconnecting";
    if (isPausing && !isWantedAgain) this.connect().catch(() => {});
    super.disconnect(isWantedAgain);
  }
}

/**
 * A connection that never gives up, until `isOver`.
 *
 * @param copied Gets each copy that is made of it.
 */
export function connect(
  connection: string | RedisConnectionOptions,
  isOver: () => boolean,
  copied: (copy: Redis) => void,
): Redis {
  const options: RedisOptions = {
    // As documented. A name would have to be looked up, and a look-up cannot be called off.
    host: "127.0.0.1",
    // BullMQ asks for it: a command waits for the connection instead of failing.
    maxRetriesPerRequest: null,
    // A peer that vanished without a word is found out.
    keepAlive: 10_000,
    Connector: SocketConnector,
    retryStrategy: (times) =>
      isOver() ? null : Math.min(50 * 2 ** Math.min(times, 5), MAX_PAUSE),
  };
  const redis = typeof connection === "string"
    ? new WatchedRedis(connection, options)
    : new WatchedRedis({ ...options, ...partsOf(connection) });
  redis.copied = copied;
  return redis;
}

function partsOf({ tls, ...rest }: RedisConnectionOptions): RedisOptions {
  const given = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  );
  if (tls === undefined || tls === false) return given;
  return { ...given, tls: tls === true ? {} : { ...tls } };
}
