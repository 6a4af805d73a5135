/**
 * A server of one file, with ranges, and with faults to order.
 *
 * @module
 */
import { closedByPeer, serveRaw } from "./http_servers.ts";

/** How the server serves, and misbehaves. */
export interface FileServerOptions {
  /** The file. */
  contents: Uint8Array<ArrayBuffer>;
  /** The validator; may be changed while it runs. @default {'"v1"'} */
  etag?: string | null;
  /** Whether `Range` is understood. @default {true} */
  ranges?: boolean;
  /** Bytes of the body after which each of the first responses breaks off. */
  breakAfter?: (number | undefined)[];
  /** Bytes of the body after which each of the first responses stalls. */
  stallAfter?: (number | undefined)[];
  /** Waited for before each response. */
  before?: (index: number) => Promise<void>;
  /** Changes a response before it is sent. */
  respond?: (response: FileResponse, index: number) => void;
}

/** A response that is about to be sent. */
export interface FileResponse {
  /** Status line's number. */
  status: number;
  /** Headers. */
  headers: Record<string, string>;
  /** Body. */
  body: Uint8Array;
}

/** A file server. */
export interface FileServer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  /** The `Range` of each request. */
  readonly ranges: (string | undefined)[];
  /** Connections that are open now. */
  readonly open: number;
  /** May be changed while it runs. */
  options: FileServerOptions;
}

/** Serves one file under every path; one connection for each request. */
export function serveFile(options: FileServerOptions): FileServer {
  const ranges: (string | undefined)[] = [];
  const server = serveRaw(async ({ head, send, socket }) => {
    const text = await head();
    if (text === "") return;
    const index = ranges.length;
    const header = (name: string) =>
      new RegExp(`^${name}: (.*)\r$`, "im").exec(text)?.[1];
    const range = header("range");
    ranges.push(range);
    const { contents, etag = '"v1"', ranges: knowsRanges = true } =
      file.options;
    const response: FileResponse = { status: 200, headers: {}, body: contents };
    if (etag !== null) response.headers["ETag"] = etag;
    if (knowsRanges) response.headers["Accept-Ranges"] = "bytes";
    const ifRange = header("if-range");
    const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
    if (
      knowsRanges && match !== null &&
      (ifRange === undefined || ifRange === etag)
    ) {
      const start = Number(match[1]);
      const end = Math.min(
        match[2] === "" ? Infinity : Number(match[2]),
        contents.length - 1,
      );
      if (start >= contents.length) {
        response.status = 416;
        response.headers["Content-Range"] = `bytes */${contents.length}`;
        response.body = new Uint8Array();
      } else {
        response.status = 206;
        response.headers["Content-Range"] =
          `bytes ${start}-${end}/${contents.length}`;
        response.body = contents.subarray(start, end + 1);
      }
    }
    response.headers["Content-Length"] = String(response.body.length);
    await file.options.before?.(index);
    file.options.respond?.(response, index);
    const lines = Object.entries(response.headers).map(([name, value]) =>
      `${name}: ${value}\r\n`
    ).join("");
    await send(
      `HTTP/1.1 ${response.status} X\r\n${lines}Connection: close\r\n\r\n`,
    );
    if (text.startsWith("HEAD ")) return;
    const stop = file.options.breakAfter?.[index] ??
      file.options.stallAfter?.[index] ?? Infinity;
    const body = response.body.subarray(0, stop);
    for (let sent = 0; sent < body.length;) {
      sent += await socket.write(body.subarray(sent, sent + 65_536));
    }
    if (file.options.stallAfter?.[index] !== undefined) {
      await closedByPeer(socket);
    }
  });
  const file: FileServer = {
    url: server.url,
    ranges,
    get open() {
      return server.open;
    },
    options,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
  return file;
}
