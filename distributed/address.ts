/**
 * Where Redis is. Apart from the connection, so that nothing of Redis is loaded before it is used.
 *
 * @module
 */
import * as check from "./check.ts";

/** Where Redis is and how to get in. */
export interface RedisConnectionOptions {
  /** Host name or address. @default {"127.0.0.1"} */
  host?: string | undefined;
  /** Port. @default {6379} */
  port?: number | undefined;
  /** Path of a Unix socket, in place of host and port. */
  path?: string | undefined;
  /** The user of Redis' access control lists. */
  username?: string | undefined;
  /** The password of that user, or of the server. */
  password?: string | undefined;
  /** Number of the database. @default {0} */
  db?: number | undefined;
  /** TLS: `true` for the system's authorities, or what to trust and to show. @default {false} */
  tls?: boolean | RedisTlsOptions | undefined;
}

/** What to trust, and what to show. All in PEM. */
export interface RedisTlsOptions {
  /** Authorities to trust in place of the system's. */
  ca?: string | string[] | undefined;
  /** This client's certificate. */
  cert?: string | undefined;
  /** The key of that certificate. */
  key?: string | undefined;
  /** The name that the server's certificate must bear. @default {host} */
  servername?: string | undefined;
  /** `false` accepts any certificate: for tests. @default {true} */
  rejectUnauthorized?: boolean | undefined;
}

/**
 * Checks how Redis is to be reached.
 *
 * @throws {TypeError | RangeError} When it is neither a URL of Redis nor an object, or names no
 * port or database that there may be.
 */
export function checkConnection(connection: unknown): void {
  if (connection === undefined) return;
  if (connection instanceof URL) {
    throw new TypeError(
      "connection must be the text of a URL, got a URL object",
    );
  }
  if (typeof connection === "object" && connection !== null) {
    const { port = 6379, db = 0 } = connection as RedisConnectionOptions;
    check.integer("connection.port", port);
    check.integer("connection.db", db, 0);
    return;
  }
  if (
    typeof connection === "string" && /^rediss?:\/\//.test(connection) &&
    URL.canParse(connection)
  ) {
    const database = new URL(connection).pathname.slice(1);
    if (/^\d*$/.test(database)) return;
    throw new TypeError(
      `connection must end with the number of a database, if any (redis://host:6379/1), got ` +
        check.show(database),
    );
  }
  // Not shown: it may hold a password.
  throw new TypeError(
    `connection must be a URL that begins with redis:// or rediss://, or an object, got ${
      typeof connection === "string" ? "another text" : check.show(connection)
    }`,
  );
}

/** `host:port` or the path, without user and password. */
export function addressOf(connection: string | RedisConnectionOptions): string {
  if (typeof connection !== "string") {
    return connection.path ??
      `${connection.host ?? "127.0.0.1"}:${connection.port ?? 6379}`;
  }
  try {
    const { hostname, port } = new URL(connection);
    return `${hostname || "127.0.0.1"}:${port || 6379}`;
  } catch {
    return "the given URL";
  }
}
