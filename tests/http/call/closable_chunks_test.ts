/**
 * Streams of responses that are closed while they wait for what may never come.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AsyncHTTPClient, NetworkError } from "../../../http/mod.ts";
import { AsyncStream } from "../../../streams/mod.ts";
import { closedByPeer, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const HEAD = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Sends `text`, then nothing any more; `closed` resolves when the client has gone. */
function silent(text: string) {
  const closed = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const server = serveRaw(async ({ head, send, socket }) => {
    await head();
    await send(text);
    reached.resolve();
    await closedByPeer(socket);
    closed.resolve();
  });
  return Object.assign(server, {
    closed: closed.promise,
    reached: reached.promise,
  });
}

testWith(
  ["net"],
  "a stream that is closed while no headers, no chunk or no further chunk come ends its request at once",
  async () => {
    for (const text of ["", HEAD, `${HEAD}3\r\none\r\n`]) {
      for (const isLazy of [true, false]) {
        await using server = silent(text);
        await using client = new AsyncHTTPClient({ timeout: Infinity });
        const chunks = isLazy
          ? client.stream("GET", server.url)
          : client.get(server.url).stream();
        const controller = new AbortController();
        const reason = new Error("enough");
        const read = chunks.abortable(controller.signal).collect();
        await server.reached;
        controller.abort(reason);
        assertStrictEquals(await assertRejects(() => read), reason);
        await server.closed;
        await until(() => client.stats.calls === 0);
        await assertNothingLeft(client, server);
      }
    }
  },
);

testWith(
  ["net"],
  "a stream of a response that is closed before it was read ends its request",
  async () => {
    await using server = silent(HEAD);
    await using client = new AsyncHTTPClient({ timeout: Infinity });
    assertEquals(
      await client.get(server.url).stream().take(0).collect(),
      [],
    );
    await until(() => client.stats.calls === 0);
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "a stream that is left after a chunk ends its request, as does a response of which nothing is read when its call is aborted",
  async () => {
    await using server = silent(`${HEAD}3\r\none\r\n`);
    await using client = new AsyncHTTPClient({ timeout: Infinity });
    for await (const _ of client.stream("GET", server.url)) break;
    await server.closed;
    await assertNothingLeft(client, server);
    const caller = new AbortController();
    await client.get(server.url, { signal: caller.signal });
    assertEquals(client.stats.calls, 1);
    caller.abort();
    await assertNothingLeft(client, server);
  },
);

testWith(
  ["net"],
  "merged streams of responses are closed when one of them fails",
  async () => {
    await using server = silent(HEAD);
    await using client = new AsyncHTTPClient({ timeout: Infinity });
    const failing = AsyncStream.from(async function* () {
      await server.reached;
      yield* [];
      throw new Error("mine");
    });
    await assertRejects(
      () => client.stream("GET", server.url).merge(failing as never).collect(),
      Error,
      "mine",
    );
    await server.closed;
    await assertNothingLeft(client, server);
  },
);

Deno.test("a stream of a response that fails before it is read gives the failure to its reader", async () => {
  await using client = new AsyncHTTPClient({
    fetch: () => Promise.reject(new TypeError("fetch failed")),
  });
  const chunks = client.get("http://h/").stream();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await assertRejects(() => chunks.collect(), NetworkError);
  await assertNothingLeft(client);
});
