/**
 * A server on 127.0.0.1 for the snippets: some data, a path that fails twice, one that is down.
 *
 * @module
 */

/** A running server. */
export interface FlakyServer extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
}

/** Starts it. */
export function serveFlaky(): FlakyServer {
  let failures = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname === "/down") return new Response("down", { status: 500 });
      if (pathname === "/fails-twice" && ++failures <= 2) {
        return new Response("busy", { status: 503 });
      }
      return Response.json({ path: pathname });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
