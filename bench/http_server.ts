/**
 * The server that the HTTP benches ask, in a process of its own: it prints its port, and ends when
 * its standard input does.
 *
 * @module
 */
const small = JSON.stringify({ id: 1, name: "small", tags: ["a", "b", "c"] });
const block = new Uint8Array(1 << 20);
const LARGE = 256;

const server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen: ({ port }) => console.log(port) },
  async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/slow") {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (pathname !== "/large") {
      return new Response(small, {
        headers: { "content-type": "application/json" },
      });
    }
    let sent = 0;
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (sent++ < LARGE) controller.enqueue(block);
          else controller.close();
        },
      }),
      { headers: { "content-length": String(LARGE << 20) } },
    );
  },
);

for await (const _ of Deno.stdin.readable);
await server.shutdown();
