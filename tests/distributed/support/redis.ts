/**
 * A Redis for tests. `RedisServer.start()` gives one of its own: a process on a free port of
 * 127.0.0.1, in a directory of its own, stopped by its process id. `useRedis()` gives the one of
 * REDIS_URL, with a prefix of its own for its keys, when that is set, and else one of its own: for
 * tests that do not stop, pause or configure it.
 *
 * @module
 */
import { testWith } from "../../support/permissions.ts";
import { until } from "./tasks.ts";

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
    async (t) => {
      try {
        await fn(t);
      } catch (error) {
        throw firstOf(error);
      }
    },
    { ...options, ignore: !isThere || options.ignore === true },
  );
}

/** What failed first: Deno shows of a SuppressedError neither that nor what failed afterwards. */
function firstOf(error: unknown): unknown {
  while (error instanceof SuppressedError) {
    console.error("Afterwards, as the test was cleaned up:", error.error);
    error = error.suppressed;
  }
  return error;
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
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => {
    const ended = new Promise((resolve) => redis.once("end", resolve));
    await redis.quit();
    await ended;
  });
  cleanup.defer(async () => {
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
  });
  await expectNoJobs(
    prefix,
    async (command, key) =>
      command === "LLEN" ? await redis.llen(key) : await redis.zcard(key),
  );
}

/** Where BullMQ keeps jobs that have not ended, and how they are counted. */
const UNENDED = [
  ["wait", "LLEN"],
  ["active", "LLEN"],
  ["prioritized", "ZCARD"],
  ["delayed", "ZCARD"],
] as const;

/** Who may always look, whatever a test does to the default user. */
const WATCHER = "watcher";

/**
 * A running redis-server. Whoever has connected to it must have hung up when it is disposed of:
 * sanitizers do not see sockets of node:net.
 */
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
    await ask(connection, ["AUTH", WATCHER, "any"]);
    return await ask(connection, words);
  }

  /** Who is connected, but for the one who asks: their lines of CLIENT LIST. */
  async clients(): Promise<string[]> {
    const list = await this.command("CLIENT", "LIST");
    return list.split("\n").filter((line) =>
      line.startsWith("id=") && !line.includes(`user=${WATCHER}`)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#expectNothingLeft();
    } finally {
      try {
        await this.stop("SIGKILL");
      } catch {
        // Stopped by the test.
      }
      await Deno.remove(this.#directory, { recursive: true });
    }
  }

  async #expectNothingLeft(): Promise<void> {
    try {
      // A paused one answers nobody.
      this.signal("SIGCONT");
    } catch {
      // Stopped by the test, and everybody's connection with it.
      return;
    }
    await expectNoJobs(this.at.prefix, async (command, key) => {
      const answer = await this.command(command, key);
      return Number(/^:(\d+)/.exec(answer)?.[1]);
    });
    let left: string[] = [];
    // It hears of a closed socket a moment later.
    await until(
      async () => (left = await this.clients()).length === 0,
      "the end of all connections",
      20_000,
    ).catch(({ message }) => {
      throw new Error(`${message}: ${left.join("; ")}`);
    });
  }
}

/** Whatever was submitted must have ended, or been taken back, by the end of a test. */
async function expectNoJobs(
  prefix: string,
  count: (command: "LLEN" | "ZCARD", key: string) => Promise<number>,
): Promise<void> {
  const left: string[] = [];
  for (const [state, command] of UNENDED) {
    const jobs = await count(command, `${prefix}:async-distributed:${state}`);
    if (jobs !== 0) left.push(`${state}: ${jobs}`);
  }
  if (left.length > 0) throw new Error(`Jobs are left (${left.join(", ")})`);
}

/** Sends a command and gives its raw answer. */
async function ask(
  connection: Deno.TcpConn,
  words: string[],
): Promise<string> {
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
      ...["--user", WATCHER, "on", "nopass", "~*", "&*", "+@all"],
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
