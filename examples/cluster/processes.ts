/**
 * The processes of the demo: Redis and the workers, each ended by its id.
 *
 * @module
 */

/** A Redis of our own on a free port of loopback, or the one of REDIS_URL. */
export async function startRedis(): Promise<AsyncDisposable & { url: string }> {
  const given = Deno.env.get("REDIS_URL");
  if (given !== undefined) {
    return { url: given, async [Symbol.asyncDispose]() {} };
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
    url: `redis://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await process.status;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** A worker as a process of its own. */
export class WorkerProcess implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
  }

  /** Starts one and waits until it takes tasks. */
  static async start(url: string): Promise<WorkerProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--allow-all",
        new URL("./worker.ts", import.meta.url).href,
        url,
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
