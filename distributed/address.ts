/**
 * Where Redis is. Apart from the connection, so that nothing of Redis is loaded before it is used.
 *
 * @module
 */
import {
  boolean,
  integerFrom,
  optionsBy,
  show,
  string,
} from "@specify/async-core/host";

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

const checkTls = optionsBy<RedisTlsOptions>({
  ca: (name, value) => {
    for (const one of Array.isArray(value) ? value : [value]) string(name, one);
  },
  cert: string,
  key: string,
  servername: string,
  rejectUnauthorized: boolean,
});

const checkParts = optionsBy<RedisConnectionOptions>({
  host: string,
  port: integerFrom(1),
  path: string,
  username: string,
  password: (name, value) => {
    if (typeof value === "string") return;
    // Not shown, whatever it is.
    throw new TypeError(`${name} must be a string`);
  },
  db: integerFrom(0),
  tls: (name, value) => {
    if (typeof value !== "boolean") checkTls(name, value);
  },
});

/**
 * Checks how Redis is to be reached.
 *
 * @throws {TypeError | RangeError} When it is neither a URL of Redis nor an object, or names no
 * port or database that there may be.
 */
export function checkConnection(name: string, connection: unknown): void {
  if (connection instanceof URL) {
    throw new TypeError(`${name} must be the text of a URL, got a URL object`);
  }
  if (typeof connection === "object" && connection !== null) {
    return void checkParts(name, connection);
  }
  if (
    typeof connection === "string" && /^rediss?:\/\//.test(connection) &&
    URL.canParse(connection)
  ) {
    const database = new URL(connection).pathname.slice(1);
    if (/^\d*$/.test(database)) return;
    throw new TypeError(
      `${name} must end with the number of a database, if any (redis://host:6379/1), got ` +
        show(database),
    );
  }
  // Not shown: it may hold a password.
  throw new TypeError(
    `${name} must be a URL that begins with redis:// or rediss://, or an object, got ${
      typeof connection === "string" ? "another text" : show(connection)
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
