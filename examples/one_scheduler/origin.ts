/**
 * A server on 127.0.0.1 that stands for any origin: items and files, each a little slow.
 *
 * @module
 */

import { delay } from "@std/async";

/** A running origin. */
export interface ServedOrigin extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** Requests that are being answered now. */
  readonly open: number;
}

const file = new Uint8Array(200_000).map((_, n) => n % 251);

/** What `/file/<n>` answers, whatever `n` is. */
export const fileSize: number = file.length;

/** Starts it. `latency`: milliseconds before each answer. */
export function serveOrigin(latency = 5): ServedOrigin {
  let open = 0;
  const stop = new AbortController();
  const listening = {
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    onListen: () => {},
  };
  const server = Deno.serve(listening, async ({ url, headers }) => {
    open++;
    await delay(latency);
    open--;
    const { pathname } = new URL(url);
    return pathname.startsWith("/item/")
      ? Response.json({ item: pathname.slice(6) })
      : answerFile(headers.get("range"));
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    get open() {
      return open;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}

function answerFile(range: string | null): Response {
  const headers = new Headers({ etag: '"1"', "accept-ranges": "bytes" });
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  if (from === undefined) return new Response(file, { headers });
  const end = to === "" || to === undefined ? file.length : Number(to) + 1;
  const part = file.subarray(Number(from), end);
  headers.set("content-range", `bytes ${from}-${end - 1}/${file.length}`);
  return new Response(part, { status: 206, headers });
}
