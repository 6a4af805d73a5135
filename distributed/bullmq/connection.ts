/**
 * How Redis is reached: a connection that lasts.
 *
 * @module
 */
import { Redis, type RedisOptions } from "ioredis";
import type { RedisConnectionOptions } from "../address.ts";

/** A connection that never gives up: it tries again after at most a second. */
export function connect(
  connection: string | RedisConnectionOptions,
  extra: RedisOptions = {},
): Redis {
  const options: RedisOptions = {
    // BullMQ asks for it: a command waits for the connection instead of failing.
    maxRetriesPerRequest: null,
    // A peer that vanished without a word is found out.
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), 1000),
    ...extra,
  };
  if (typeof connection === "string") return new Redis(connection, options);
  const { tls, ...rest } = connection;
  const given = Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  );
  return new Redis({
    ...options,
    ...given,
    ...(tls === undefined || tls === false
      ? {}
      : { tls: tls === true ? {} : tls as Record<string, unknown> }),
  });
}
