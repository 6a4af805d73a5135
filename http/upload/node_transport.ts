/**
 * A fetch over node:http, for uploads: it sends a stream with its Content-Length (the runtime's
 * fetch drops that, and S3 answers 501), and tells how much the system has really taken (fetch
 * reads megabytes ahead).
 *
 * @module
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { heedAbort } from "../../_internal/abort.ts";
import { report } from "../../_internal/errors.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import type { Settings } from "../call/settings.ts";
import { isBodiless, makeResponse } from "../request/make_response.ts";
import { authorizationOf, proxiesOf, type Proxy, proxyFor } from "./proxy.ts";

/** What the transport tells while it sends. */
export interface SendOptions {
  /** Told how many bytes of the body the system has taken so far. */
  onSent?: ((bytes: number) => void) | undefined;
  /** For https. */
  certificates?: Certificates | undefined;
  /** What the requests may go through: proxies that are spoken to by HTTP. */
  proxies?: readonly Proxy[] | undefined;
}

/** A client's certificates as node:https names them, as PEM. */
export interface Certificates {
  /** What to trust. */
  readonly ca: string[] | undefined;
  /** The client's own. */
  readonly cert: string | undefined;
  /** The key of `cert`. */
  readonly key: string | undefined;
}

/**
 * What is needed to send in place of the fetch of a client of these settings; `undefined` when that
 * cannot be: the client has a fetch of its own, or settings that node:http does not know.
 */
export function nodeTransportOf(
  { fetch, transport = {} }: Settings,
): SendOptions | undefined {
  const { caCerts, cert, key, proxy, http1 } = transport;
  if (fetch !== undefined || http1 === false) return undefined;
  const proxies = proxiesOf(proxy);
  if (proxies.some(({ url }) => url.protocol !== "http:")) return undefined;
  return { certificates: { ca: caCerts, cert, key }, proxies };
}

/**
 * Sends a request whose body is a stream of bytes. Redirects are not followed. The body's stream is cancelled when the server answers before it was sent
 * whole, on a failure and on an abort.
 */
export async function sendByNode(
  url: string,
  init: RequestInit,
  options: SendOptions = {},
): Promise<Response> {
  const target = new URL(url);
  const signal = init.signal ?? undefined;
  signal?.throwIfAborted();
  const proxy = await proxyFor(target, options.proxies ?? []);
  const asked = {
    ...options.certificates,
    method: init.method ?? "GET",
    headers: init.headers as Record<string, string>,
  };
  let outgoing: ClientRequest;
  if (target.protocol === "https:") {
    const { Agent, request } = await import("node:https");
    const agent = new Agent(ALONE);
    let socket: Socket | undefined;
    if (proxy !== undefined) {
      const { connect } = await import("node:tls");
      socket = await openTunnel(proxy, target, signal);
      // What goes through it closes it.
      agent.createConnection = (options: ConnectionOptions) =>
        connect({ ...options, socket });
    }
    try {
      signal?.throwIfAborted();
      outgoing = request(target, { ...asked, agent });
    } catch (error) {
      socket?.destroy();
      throw error;
    }
  } else {
    const { Agent, request } = await import("node:http");
    signal?.throwIfAborted();
    outgoing = request(target, {
      ...asked,
      agent: new Agent(ALONE),
      ...(proxy && {
        ...addressOf(proxy),
        path: `http://${target.host}${target.pathname}${target.search}`,
        headers: {
          host: target.host,
          ...asked.headers,
          ...authorizationOf(proxy),
        },
      }),
    });
  }
  return await new Exchange(outgoing, init, options).run();
}

/**
 * A connection of its own. On one that is kept a request hangs when the server has just closed it,
 * and nobody would close it with the client.
 */
const ALONE = { keepAlive: false };

/** A connection to `target`'s host, made by the proxy. */
async function openTunnel(
  proxy: URL,
  target: URL,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const { Agent, request } = await import("node:http");
  const { promise, resolve, reject } = withResolvers<Socket>();
  const host = `${target.hostname}:${target.port || 443}`;
  const asking = request({
    ...addressOf(proxy),
    agent: new Agent(ALONE),
    method: "CONNECT",
    path: host,
    headers: { host, ...authorizationOf(proxy) },
  });
  asking.once("connect", ({ statusCode, statusMessage }, socket: Socket) => {
    if (statusCode === 200) return resolve(socket);
    socket.destroy();
    reject(networkFailure(
      `client error (Connect): the proxy answered ${statusCode} ${statusMessage}`,
    ));
  });
  asking.once("close", () => reject(networkFailure("connection closed")));
  asking.on("error", (error) => reject(asFetchError(error)));
  const subscription = heedAbort(signal, (reason) => {
    asking.destroy();
    reject(reason);
  });
  asking.end();
  try {
    return await promise;
  } finally {
    subscription?.unsubscribe();
  }
}

/** Where a proxy listens. */
function addressOf(proxy: URL): { hostname: string; port: number } {
  return {
    hostname: proxy.hostname.replace(/^\[|\]$/g, ""),
    port: Number(proxy.port || 80),
  };
}

class Exchange {
  // Invariant: #reader has been read to its end or is cancelled, by #stopSending, when the first of
  // these comes: the end of the sending, the response, a failure, an abort. #answered is set with
  // the response; whatever happens on the way out afterwards is no failure any more.
  readonly #outgoing: ClientRequest;
  readonly #signal: AbortSignal | null | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #onSent: ((bytes: number) => void) | undefined;
  #answered = false;
  #closed = false;
  #sent = 0;
  #wake: (() => void) | undefined;

  constructor(
    outgoing: ClientRequest,
    init: RequestInit,
    { onSent }: SendOptions,
  ) {
    this.#outgoing = outgoing;
    this.#signal = init.signal;
    this.#onSent = onSent;
    this.#reader = init.body instanceof ReadableStream
      ? init.body.getReader()
      : undefined;
  }

  run(): Promise<Response> {
    const outgoing = this.#outgoing;
    const signal = this.#signal;
    return new Promise((resolve, reject) => {
      const aborted = () => outgoing.destroy(signal!.reason); // only added with a signal
      const ended = () => {
        this.#closed = true;
        signal?.removeEventListener("abort", aborted);
        this.#stopSending();
      };
      signal?.addEventListener("abort", aborted, { once: true });
      outgoing.once("response", (incoming: IncomingMessage) => {
        this.#answered = true;
        this.#stopSending();
        try {
          resolve(responseOf(incoming, outgoing));
        } catch (error) {
          // Thrown out of an event it would end the process.
          reject(asFetchError(error));
          outgoing.destroy();
        }
      });
      outgoing.once("close", () => {
        ended();
        // Neither a response nor an error: the connection was closed.
        reject(networkFailure("connection closed before message completed"));
      });
      outgoing.on("error", (error: Error) => {
        ended();
        reject(signal?.aborted ? signal.reason : asFetchError(error));
      });
      this.#send().catch((error) => {
        ended();
        reject(error);
        outgoing.destroy();
      });
    });
  }

  /** Harmless when all has been sent. The source's next part may be long in coming: it is closed now. */
  #stopSending(): void {
    this.#wakeUp();
    this.#reader?.cancel().catch(() => {});
  }

  async #send(): Promise<void> {
    const reader = this.#reader;
    if (reader === undefined) {
      this.#outgoing.end();
      return;
    }
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (this.#answered || this.#closed) return;
        if (done) break;
        await this.#write(value);
        if (this.#answered || this.#closed) return;
      }
      this.#outgoing.end();
    } finally {
      this.#stopSending();
    }
  }

  /**
   * Resolves when the system has taken the chunk, or nobody wants it any more. Rejects with what
   * `onSent` throws.
   */
  #write(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#outgoing.write(chunk, (error) => {
        try {
          if (!error) this.#onSent?.(this.#sent += chunk.byteLength);
        } catch (thrown) {
          // Thrown out of the socket's callback it would end the process. Awoken: nobody waits.
          if (this.#wake === undefined) report("onProgress threw", thrown);
          else reject(thrown);
        }
        this.#wakeUp();
      });
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

function responseOf(
  incoming: IncomingMessage,
  outgoing: ClientRequest,
): Response {
  const headers = new Headers();
  for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
    // Both within: the loop goes by pairs.
    headers.append(
      incoming.rawHeaders[index]!,
      incoming.rawHeaders[index + 1]!,
    );
  }
  const status = incoming.statusCode ?? 0;
  const head = { status, statusText: incoming.statusMessage ?? "", headers };
  if (isBodiless(status)) {
    incoming.resume();
    return makeResponse(null, head);
  }
  return makeResponse(decoded(headers, bodyOf(incoming, outgoing)), head);
}

/** As fetch does: the headers stay. `identity` was asked for, which a server may overlook. */
function decoded(
  headers: Headers,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase();
  return encoding === "gzip" || encoding === "deflate"
    ? body.pipeThrough(new DecompressionStream(encoding))
    : body;
}

function bodyOf(
  incoming: IncomingMessage,
  outgoing: ClientRequest,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  // Set by the end, a failure or a cancel: the controller takes nothing after the first of them.
  let isOver = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const fail = (error: Error) => {
        if (isOver) return;
        isOver = true;
        controller.error(error);
      };
      incoming.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
        if (isOver) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 1) <= 0) incoming.pause();
      });
      incoming.once("end", () => {
        if (isOver) return;
        isOver = true;
        controller.close();
      });
      incoming.once("close", () => fail(networkFailure("connection closed")));
      incoming.on("error", (error) => fail(asFetchError(error)));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      isOver = true;
      outgoing.destroy();
    },
  });
}

/**
 * As fetch reports failures, so that they are told apart by the same rules: a permission that is
 * missing is none of the network's.
 */
function asFetchError(error: unknown): Error {
  if (typeof Deno !== "undefined") {
    const { NotCapable } = Deno.errors;
    if (error instanceof NotCapable) return error;
    // What the look-up of a name says where it is not allowed.
    if (error instanceof Error && "code" in error && error.code === "EPERM") {
      return new NotCapable(
        `${error.message}: run again with the --allow-net flag`,
        { cause: error },
      );
    }
  }
  return new TypeError("fetch failed", { cause: error });
}

function networkFailure(text: string): Error {
  return new TypeError("fetch failed", { cause: new Error(text) });
}
