/**
 * Real servers on loopback: an HTTP one, and a raw one for what HTTP servers are too polite to do.
 *
 * @module
 */

/** A server that counts what it is asked. */
export interface TestServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string;
  /** The requests so far. */
  readonly requests: Request[];
}

/** An HTTP server. */
export function serve(
  handler: (request: Request, index: number) => Response | Promise<Response>,
): TestServer {
  const requests: Request[] = [];
  const abort = new AbortController();
  const server = Deno.serve({
    port: 0,
    hostname: "127.0.0.1",
    signal: abort.signal,
    onListen() {},
    onError: () => new Response("handler failed", { status: 500 }),
  }, (request) => handler(request, requests.push(request) - 1));
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await server.finished;
    },
  };
}

/** A connection of a raw server. */
export interface RawConnection {
  /** Which connection, from 0. */
  readonly index: number;
  /** The socket. */
  readonly socket: Deno.TcpConn;
  /** Reads a request's head, up to the empty line. */
  head(): Promise<string>;
  /** Sends text as it is. */
  send(text: string): Promise<void>;
}

/** A raw server. */
export interface RawServer extends AsyncDisposable {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  /** The port. */
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
}

/** Answers each TCP connection by `handler`; it is closed when that ends. */
export function serveRaw(
  handler: (connection: RawConnection) => Promise<void>,
): RawServer {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const sockets = new Set<Deno.TcpConn>();
  const handlers = new Set<Promise<void>>();
  let connections = 0;
  const accepting = (async () => {
    for await (const socket of listener) {
      sockets.add(socket);
      const decoder = new TextDecoder();
      const encoder = new TextEncoder();
      const connection: RawConnection = {
        index: connections++,
        socket,
        async head() {
          let text = "";
          const buffer = new Uint8Array(4096);
          while (!text.includes("\r\n\r\n")) {
            const count = await socket.read(buffer);
            if (count === null) break;
            text += decoder.decode(buffer.subarray(0, count));
          }
          return text;
        },
        async send(text) {
          const bytes = encoder.encode(text);
          let sent = 0;
          while (sent < bytes.length) {
            sent += await socket.write(bytes.subarray(sent));
          }
        },
      };
      const handled = handler(connection).catch(() => {}).finally(() => {
        sockets.delete(socket);
        handlers.delete(handled);
        try {
          socket.close();
        } catch {
          // Closed by the handler.
        }
      });
      handlers.add(handled);
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const socket of sockets) {
        try {
          socket.close();
        } catch {
          // Closed by the handler.
        }
      }
      await Promise.all([accepting, ...handlers]);
    },
  };
}

/** Resolves when the peer has closed the connection. */
export async function closedByPeer(socket: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(1024);
  try {
    while (await socket.read(buffer) !== null);
  } catch {
    // Reset: closed as well.
  }
}
