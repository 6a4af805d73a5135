/**
 * How a connection gets its socket, and ends it: as in ioredis, which in ending waits with a timer
 * for every socket to close, those included that have closed long ago.
 *
 * @module
 */
import { AbstractConnector } from "ioredis";
import {
  connect as connectTcp,
  type NetConnectOpts,
  type Socket,
} from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

/** How long the other side may take to close a socket that was ended here. */
const CLOSE_WITHIN = 500;

/** What ioredis says when a try to connect is called off; it tells nobody of this one. */
const CALLED_OFF = "Connection is closed.";

/** What ioredis gives, as far as it says where the socket leads. */
interface SocketOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly family?: number | undefined;
  readonly tls?: Record<string, unknown> | boolean | undefined;
}

/** Sockets of one connection, one after the other. */
export class SocketConnector extends AbstractConnector {
  readonly #options: SocketOptions;

  /** Called by ioredis, with its options. */
  constructor(options: unknown) {
    super(CLOSE_WITHIN);
    this.#options = options as SocketOptions;
  }

  override async connect(): Promise<Socket> {
    this.connecting = true;
    // It may be called off within this turn.
    await undefined;
    if (!this.connecting) throw new Error(CALLED_OFF);
    const { path, host, port, family, tls } = this.#options;
    const where = path ? { path } : { host, port, family };
    const socket = tls
      ? connectTls({ ...where, ...Object(tls) } as ConnectionOptions)
      : connectTcp(where as NetConnectOpts);
    socket.once("error", (error) => this.firstError = error);
    this.stream = socket;
    return socket;
  }

  override disconnect(): void {
    const socket: Socket | undefined = this.stream;
    if (socket?.closed) this.connecting = false;
    else super.disconnect();
  }
}

/** Resolves when a socket is closed, or at once when there is none. */
export async function whenClosed(socket: Socket | undefined): Promise<void> {
  if (socket === undefined || socket.closed) return;
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
}
