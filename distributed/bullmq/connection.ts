/**
 * How Redis is reached: connections that last.
 *
 * @module
 */
import { Redis, type RedisOptions } from "ioredis";
import type { RedisConnectionOptions } from "../address.ts";

/** Longest time between two tries to connect. */
const LONGEST_PAUSE = 1000;

/** A connection whose copies, which BullMQ makes, are known too. */
class WatchedRedis extends Redis {
  copied: ((copy: Redis) => void) | undefined;

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate(override);
    this.copied?.(copy);
    return copy;
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
    // How long a socket whose other side does not answer may take to close.
    disconnectTimeout: 500,
    retryStrategy: (times) =>
      isOver() ? null : Math.min(50 * 2 ** Math.min(times, 5), LONGEST_PAUSE),
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
