/**
 * An HTTP origin on 127.0.0.1 that serves a tree with its manifest, understands Range, and
 * misbehaves by a script. `node:http`, because it can drop a connection in the middle of a body.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Fault, FaultScript } from "./faults.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";

/** A file of the tree and where it lies on this machine. */
export interface ServedFile extends ManifestFile {
  /** The path or file URL that is read. */
  readonly source: string | URL;
}

/** One request that the origin has seen. */
export interface SeenRequest {
  readonly method: string;
  /** The path in the manifest's spelling; `manifest.json` for the manifest. */
  readonly path: string;
  /** The Range header, if there was one. */
  readonly range: string | undefined;
  /** What was wrong with the answer. */
  readonly fault: Fault["kind"] | undefined;
}

/** How an origin behaves. */
export interface OriginOptions {
  /** What goes wrong. @default {nothing} */
  readonly faults?: FaultScript;
  /** Milliseconds until the first byte of every answer, as a network has. @default {0} */
  readonly latency?: number;
}

/** A running origin; disposing it drops every connection. */
export class Origin implements AsyncDisposable {
  /** Every request since the start or the last `rewind()`. */
  readonly requests: SeenRequest[] = [];
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, ServedFile>;
  readonly #manifest: Uint8Array<ArrayBuffer>;
  readonly #faults: FaultScript;
  readonly #latency: number;
  readonly #seen = new Map<string, number>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  private constructor(
    server: Server,
    files: readonly ServedFile[],
    { faults = new Map(), latency = 0 }: OriginOptions,
  ) {
    this.#server = server;
    this.#files = new Map(files.map((file) => [file.path, file]));
    this.#manifest = new TextEncoder().encode(
      JSON.stringify(manifestOf(files)),
    );
    this.#faults = faults;
    this.#latency = latency;
    server.on("request", (request, response) => {
      // A peer that goes away while it is served is no error of the origin.
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  /** Starts an origin on a free port. */
  static async start(
    files: readonly ServedFile[],
    options: OriginOptions = {},
  ): Promise<Origin> {
    const server = createServer();
    const origin = new Origin(server, files, options);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return origin;
  }

  /** Where the manifest is. */
  get url(): URL {
    const { port } = this.#server.address() as AddressInfo;
    return new URL(`http://127.0.0.1:${port}/`);
  }

  /** Plays the script of faults from its beginning again. */
  rewind(): void {
    this.#seen.clear();
    this.requests.length = 0;
  }

  /** Drops every connection and stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const path = decodeURIComponent(
      new URL(request.url ?? "/", "http://origin").pathname,
    ).slice(1);
    const method = request.method ?? "GET";
    const turn = this.#seen.get(path) ?? 0;
    this.#seen.set(path, turn + 1);
    const fault = this.#faults.get(path)?.[turn];
    const { range } = request.headers;
    this.requests.push({ method, path, range, fault: fault?.kind });

    if (fault?.kind === "silent") return;
    const delay = fault?.kind === "slow" ? fault.delay : this.#latency;
    if (delay > 0) await this.#sleep(delay);
    if (fault?.kind === "unavailable") {
      response.writeHead(503, { "retry-after": String(fault.retryAfter) });
      response.end("come back later\n");
      return;
    }
    if (path === "manifest.json") {
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": this.#manifest.length,
      });
      response.end(this.#manifest);
      return;
    }
    const file = this.#files.get(path);
    if (file === undefined) {
      response.writeHead(404);
      response.end("no such file\n");
      return;
    }
    await serveFile(file, request, response, fault);
  }

  #sleep(delay: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, delay);
      this.#timers.add(timer);
    });
  }
}

/** What the origin tells of its files: all but where they lie. */
export function manifestOf(files: readonly ServedFile[]): Manifest {
  return {
    files: files.map(({ path, size, sha256, url }) => ({
      path,
      size,
      sha256,
      ...(url === undefined ? {} : { url }),
    })),
  };
}

async function serveFile(
  file: ServedFile,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  const etag = `"${file.sha256}"`;
  const headers = {
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
    etag,
  };
  const condition = request.headers["if-range"];
  const range = condition === undefined || condition === etag
    ? parseRange(request.headers.range, file.size)
    : undefined;
  if (range !== undefined && range.start >= file.size) {
    response.writeHead(416, { "content-range": `bytes */${file.size}` });
    response.end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: file.size };
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    "content-length": end - start,
    ...(range === undefined
      ? {}
      : { "content-range": `bytes ${start}-${end - 1}/${file.size}` }),
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  const bytes = (await Deno.readFile(file.source)).subarray(start, end);
  if (fault?.kind === "reset" || fault?.kind === "hold") {
    await write(response, bytes.subarray(0, fault.after));
    if (fault.kind === "hold") fault.reached();
    else response.destroy();
    return;
  }
  response.end(bytes);
}

/** One range as `[start, end)`; anything else is served as the whole, as HTTP allows. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(header ?? "") ?? [];
  if (first === undefined) return undefined;
  const end = last ? Math.min(Number(last) + 1, size) : size;
  return { start: Number(first), end };
}

function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(
      bytes,
      (error) => error == null ? resolve() : reject(error),
    );
  });
}
