/**
 * A redirect to another host moves the call's place among the connections there.
 *
 * @module
 */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncHTTPClient } from "../../../http/mod.ts";
import { serve } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const to = (location: string) =>
  new Response(null, { status: 307, headers: { location } });

testWith(
  ["net"],
  "three redirects to another host under maxPerHost 1 come there one after the other, and hold no place where they came from",
  async () => {
    let open = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    await using other = serve(async () => {
      most = Math.max(most, ++open);
      await gate.promise;
      await new Promise((resolve) => setTimeout(resolve, 5));
      open--;
      return new Response("there");
    });
    await using server = serve(() => to(other.url));
    await using client = new AsyncHTTPClient({ maxPerHost: 1 });
    const texts = [1, 2, 3].map(() => client.get(server.url).text());
    // Each has been asked here, while there the first still waits for its answer.
    await until(() => server.requests.length === 3);
    await until(() => client.stats.waiting === 2);
    assertEquals(client.stats, { calls: 3, connections: 1, waiting: 2 });
    assertEquals(other.requests.length, 1);
    gate.resolve();
    assertEquals(await Promise.all(texts), ["there", "there", "there"]);
    assertEquals([most, other.requests.length], [1, 3]);
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "a call that is redirected to and fro takes each place once, and gives all of them back",
  async () => {
    const servers: { url: string }[] = [];
    const open = new Map<string, number>();
    let most = 0;
    const handle = async (request: Request) => {
      const { host, pathname } = new URL(request.url);
      open.set(host, (open.get(host) ?? 0) + 1);
      most = Math.max(most, open.get(host)!);
      await new Promise((resolve) => setTimeout(resolve, 2));
      open.set(host, open.get(host)! - 1);
      const hops = Number(pathname.slice(1));
      if (hops === 0) return new Response("there");
      return to(`${servers[hops % 2]!.url}/${hops - 1}`);
    };
    await using one = serve(handle);
    await using two = serve(handle);
    servers.push(one, two);
    for (const maxConnections of [1, 5]) {
      await using client = new AsyncHTTPClient({
        maxConnections,
        maxPerHost: 1,
      });
      const texts = await Promise.all(
        [3, 4, 5].map((hops) => client.get(`${one.url}/${hops}`).text()),
      );
      assertEquals(texts, ["there", "there", "there"]);
      await assertNothingLeft(client);
    }
    assertEquals(most, 1);
  },
);

testWith(
  ["net"],
  "a call that is given up in the line for the host that it was redirected to holds no place",
  async () => {
    const gate = Promise.withResolvers<void>();
    await using other = serve(async () => {
      await gate.promise;
      return new Response("there");
    });
    await using server = serve(() => to(other.url));
    await using client = new AsyncHTTPClient({ maxPerHost: 1 });
    const first = client.get(other.url).text();
    const caller = new AbortController();
    const reason = new Error("enough");
    const second = client.get(server.url, { signal: caller.signal });
    second.catch(() => {});
    await until(() => client.stats.waiting === 1);
    caller.abort(reason);
    assertStrictEquals(await second.catch((error) => error), reason);
    assertEquals(client.stats, { calls: 1, connections: 1, waiting: 0 });
    gate.resolve();
    assertEquals(await first, "there");
    await assertNothingLeft(client);
  },
);
