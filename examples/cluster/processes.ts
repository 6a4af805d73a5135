/**
 * The processes of the demo: Redis and the workers, each ended by its id.
 *
 * @module
 */
import { Redis } from "ioredis";

/** Where the tasks of one demo wait. */
export interface Place {
  readonly connection: string;
  readonly queue: string;
}

/** A Redis of our own on a free port of loopback, or the one of REDIS_URL, left as it was. */
export async function startRedis(): Promise<AsyncDisposable & Place> {
  const given = Deno.env.get("REDIS_URL");
  // Others may use that Redis, this demo among them.
  const queue = `demo-${crypto.randomUUID()}`;
  if (given !== undefined) {
    await checkRedis(given);
    return {
      connection: given,
      queue,
      [Symbol.asyncDispose]: () => removeQueue(given, queue),
    };
  }
  const directory = await Deno.makeTempDir({ prefix: "cluster_demo_" });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const settings = ["--appendonly", "yes", "--maxmemory-policy", "noeviction"];
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command("redis-server", {
      args: ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory]
        .concat(settings),
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch (cause) {
    await Deno.remove(directory);
    throw new Error(
      "redis-server cannot be started. Install it (Debian: apt-get install redis-server), or " +
        "name a running one in REDIS_URL.",
      { cause },
    );
  }
  return {
    connection: `redis://127.0.0.1:${port}`,
    queue,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await process.status;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Throws unless a Redis answers there: workers would wait for it as long as it takes. */
async function checkRedis(connection: string): Promise<void> {
  const redis = new Redis(connection, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let cause: unknown;
  redis.on("error", (error) => cause = error);
  try {
    await redis.ping();
  } catch (error) {
    throw new Error(
      `No Redis answers at REDIS_URL (${
        String(cause ?? error)
      }). Start it, or ` +
        "leave REDIS_URL out: then one is started here.",
      { cause: cause ?? error },
    );
  } finally {
    redis.disconnect();
  }
}

async function removeQueue(connection: string, queue: string): Promise<void> {
  const redis = new Redis(connection);
  try {
    const stream = redis.scanStream({ match: `bull:${queue}*` });
    for await (const keys of stream) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
  } finally {
    redis.disconnect();
  }
}

/** A worker as a process of its own. */
export class WorkerProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
  }

  /** Starts one and waits until it takes tasks. */
  static async start(
    { connection, queue }: Place,
  ): Promise<WorkerProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--allow-all",
        new URL("./worker.ts", import.meta.url).href,
        connection,
        queue,
      ],
      stdout: "piped",
    }).spawn();
    const reader = process.stdout.getReader();
    // Its one line says that it is ready; there is no other.
    await reader.read();
    await reader.cancel();
    return new WorkerProcess(process);
  }

  /** The id of the process. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Ends it as a power cut would. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGTERM");
    } catch {
      // Killed before.
    }
    await this.#process.status;
  }
}
