/**
 * A Redis for tests. `RedisServer.start()` gives one of its own: a process on a free port of
 * 127.0.0.1, in a directory of its own, stopped by its process id. `useRedis()` gives the one of
 * REDIS_URL, with a prefix of its own for its keys, when that is set, and else one of its own: for
 * tests that do not stop, pause or configure it.
 *
 * @module
 */
import { testWith } from "../../support/permissions.ts";

/** What the tests of the cluster need. */
const PERMISSIONS: Deno.PermissionName[] = [
  "read",
  "write",
  "net",
  "run",
  "env",
  "sys",
];

/** Whether everything is granted. */
const isGranted = PERMISSIONS.every((name) =>
  Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state ===
    "granted"
);

/** A Redis that is there already. */
const givenUrl = isGranted ? Deno.env.get("REDIS_URL") || undefined : undefined;

function isInstalled(): boolean {
  if (!isGranted) return false;
  try {
    return new Deno.Command("redis-server", {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch {
    // Not found.
    return false;
  }
}

/** Whether there is a Redis to start. */
export const hasRedis = isInstalled();

type TestOptions = Omit<Deno.TestDefinition, "name" | "fn">;

/** Like `Deno.test`, for tests with `useRedis()`. */
export function testWithRedis(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  options: TestOptions = {},
): void {
  testIf(hasRedis || givenUrl !== undefined, name, fn, options);
}

/** Like `Deno.test`, for tests with `RedisServer.start()`. */
export function testWithOwnRedis(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  options: TestOptions = {},
): void {
  testIf(hasRedis, name, fn, options);
}

/** Ignored with a name that says why where there is no Redis. */
function testIf(
  isThere: boolean,
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  options: TestOptions,
): void {
  testWith(
    PERMISSIONS,
    isThere || !isGranted
      ? name
      : `${name} (needs Redis: apt-get install redis-server)`,
    fn,
    { ...options, ignore: !isThere || options.ignore === true },
  );
}

/** What a ClusterRunner is given to reach the Redis of a test, and nobody else's keys in it. */
export interface Place {
  connection: string;
  prefix: string;
}

/** A Redis that a test may use, and not stop. */
export interface UsedRedis extends AsyncDisposable {
  readonly at: Place;
}

/** The Redis of REDIS_URL, or one of the test's own. */
export async function useRedis(): Promise<UsedRedis> {
  if (givenUrl === undefined) return await RedisServer.start();
  const at = {
    connection: givenUrl,
    prefix: `test-${crypto.randomUUID().slice(0, 8)}`,
  };
  return { at, [Symbol.asyncDispose]: () => removeKeys(at) };
}

async function removeKeys({ connection, prefix }: Place): Promise<void> {
  const { Redis } = await import("ioredis");
  const redis = new Redis(connection);
  try {
    let cursor = "0";
    do {
      const [next, keys] = await redis.scan(
        cursor,
        "MATCH",
        `${prefix}:*`,
        "COUNT",
        1000,
      );
      if (keys.length > 0) await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== "0");
  } finally {
    redis.disconnect();
  }
}

/** A running redis-server. */
export class RedisServer implements UsedRedis {
  #process: Deno.ChildProcess;
  readonly port: number;
  readonly #directory: string;
  readonly #settings: string[];

  private constructor(
    process: Deno.ChildProcess,
    port: number,
    directory: string,
    settings: string[],
  ) {
    this.#process = process;
    this.port = port;
    this.#directory = directory;
    this.#settings = settings;
  }

  /** Starts one. `settings` are those of redis.conf: `["--appendonly", "yes"]`. */
  static async start(settings: string[] = []): Promise<RedisServer> {
    const directory = await Deno.makeTempDir({ prefix: "async_redis_" });
    for (let tries = 0;; tries++) {
      // Free now; should another process take it before Redis does, the next one is tried.
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr as Deno.NetAddr;
      listener.close();
      const process = spawn(port, directory, settings);
      if (await answers(port, process)) {
        return new RedisServer(process, port, directory, settings);
      }
      if (tries === 4) throw new Error("redis-server does not start");
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get at(): Place {
    return { connection: this.url, prefix: "bull" };
  }

  /** Sends one of the operating system's signals. */
  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Stops it, as a crash would with SIGKILL. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    this.#process.kill(signal);
    await this.#process.status;
  }

  /** Starts it again, on the same port and with the same files. */
  async startAgain(): Promise<void> {
    this.#process = spawn(this.port, this.#directory, this.#settings);
    if (!await answers(this.port, this.#process)) {
      throw new Error("redis-server does not start again");
    }
  }

  /** Sends a command and gives its raw answer. */
  async command(...words: string[]): Promise<string> {
    using connection = await Deno.connect({
      hostname: "127.0.0.1",
      port: this.port,
    });
    const encoder = new TextEncoder();
    await connection.write(encoder.encode(
      `*${words.length}\r\n` +
        words.map((word) => `$${encoder.encode(word).length}\r\n${word}\r\n`)
          .join(""),
    ));
    const buffer = new Uint8Array(65_536);
    const count = await connection.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // A paused one hears nothing else.
      await this.stop("SIGKILL");
    } catch {
      // Stopped by the test.
    }
    await Deno.remove(this.#directory, { recursive: true });
  }
}

function spawn(
  port: number,
  directory: string,
  settings: string[],
): Deno.ChildProcess {
  return new Deno.Command("redis-server", {
    args: [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--dir",
      directory,
      "--save",
      "",
      "--enable-debug-command",
      "yes",
      ...settings,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** Whether it answers before its process ends. */
async function answers(
  port: number,
  process: Deno.ChildProcess,
): Promise<boolean> {
  let hasEnded = false;
  process.status.then(() => hasEnded = true);
  while (!hasEnded) {
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      await connection.write(new TextEncoder().encode("PING\r\n"));
      const buffer = new Uint8Array(64);
      const count = await connection.read(buffer) ?? 0;
      if (
        new TextDecoder().decode(buffer.subarray(0, count)).startsWith("+PONG")
      ) return true;
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}
