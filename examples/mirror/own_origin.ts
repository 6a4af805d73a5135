/**
 * The origin that the program starts when it is given none: the tree of tree.ts with the faults
 * of real ones, and a second host that is down for good and should have had one of the files.
 *
 * @module
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { scriptFaults } from "./faults.ts";
import { Origin } from "./origin.ts";
import { collectTree } from "./tree.ts";

/** The same faults every time. */
const seed = 20260;

/** A host that accepts every connection and drops it at once. */
class DeadHost implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<DeadHost> {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new DeadHost(server);
  }

  get url(): URL {
    const { port } = this.#server.address() as AddressInfo;
    return new URL(`http://127.0.0.1:${port}/`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** The own origin and its dead host. */
export class OwnOrigin implements AsyncDisposable {
  readonly origin: Origin;
  readonly #hosts: AsyncDisposableStack;

  private constructor(origin: Origin, hosts: AsyncDisposableStack) {
    this.origin = origin;
    this.#hosts = hosts;
  }

  /** Collects the tree and starts both hosts. */
  static async start(signal: AbortSignal): Promise<OwnOrigin> {
    const files = await collectTree(signal);
    await using hosts = new AsyncDisposableStack();
    const dead = hosts.use(await DeadHost.start());
    const lost = Math.floor(files.length / 2);
    const served = files.map((file, index) =>
      index === lost
        ? { ...file, url: new URL(file.path, dead.url).href }
        : file
    );
    const faults = scriptFaults(
      files.filter((_, index) => index !== lost),
      { unavailable: 3, reset: 8, slow: 6, silent: 1 },
      seed,
    );
    const origin = hosts.use(
      await Origin.start(served, { faults, latency: 10 }),
    );
    return new OwnOrigin(origin, hosts.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts.disposeAsync();
  }
}
