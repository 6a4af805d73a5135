/**
 * A small proxy on loopback: CONNECT for https, requests in absolute form for http.
 *
 * @module
 */
import { closedByPeer, type RawServer, serveRaw } from "./http_servers.ts";

/** A proxy that notes what it is asked. */
export interface TestProxy extends RawServer {
  /** The heads of the requests so far. */
  readonly heads: string[];
}

/** Relays, unless `answer` is given: that is sent in place, or nothing at all when it is empty. */
export function serveProxy(answer?: string): TestProxy {
  const heads: string[] = [];
  const server = serveRaw(async ({ head, send, socket }) => {
    const text = await head();
    heads.push(text);
    if (answer !== undefined) {
      if (answer !== "") await send(answer);
      return await closedByPeer(socket);
    }
    const [method, where = ""] = text.split(" ");
    const isTunnel = method === "CONNECT";
    const { hostname, port } = new URL(isTunnel ? `http://${where}` : where);
    using upstream = await Deno.connect({ hostname, port: Number(port) });
    if (isTunnel) await send("HTTP/1.1 200 OK\r\n\r\n");
    // A server understands the absolute form as well.
    else await write(upstream, new TextEncoder().encode(text));
    await Promise.all([relay(socket, upstream), relay(upstream, socket)]);
  });
  return Object.defineProperty(server, "heads", { value: heads }) as TestProxy;
}

async function relay(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (;;) {
      const count = await from.read(buffer);
      if (count === null) break;
      await write(to, buffer.subarray(0, count));
    }
    await to.closeWrite();
  } catch {
    // Cut off: so is the other side.
    for (const socket of [from, to]) {
      try {
        socket.close();
      } catch {
        // Closed already.
      }
    }
  }
}

async function write(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await to.write(bytes.subarray(sent));
  }
}
