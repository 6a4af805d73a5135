/**
 * Where a renewable token goes, and whose 401 renews it.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { AsyncHTTPClient } from "../../../http/mod.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";

/** `METHOD url authorization` of each request, answered by the first rule whose start fits. */
function network(rules: Record<string, () => Response>) {
  const sent: string[] = [];
  const fetch = (url: string, { headers }: RequestInit) => {
    sent.push(`${url} ${new Headers(headers).get("authorization")}`);
    const rule = Object.keys(rules).find((start) => url.startsWith(start));
    return Promise.resolve(rules[rule ?? ""]?.() ?? new Response("none"));
  };
  return { sent, fetch };
}

const redirect = (location: string) =>
  new Response(null, { status: 302, headers: { location } });

Deno.test("a 401 of another origin behind a redirect renews no token", async () => {
  const { sent, fetch } = network({
    "http://one/": () => redirect("http://two/x"),
    "http://two/": () => new Response("who?", { status: 401 }),
  });
  const asked: unknown[] = [];
  await using client = new AsyncHTTPClient({
    fetch,
    auth: {
      token: ({ expired }) => {
        asked.push(expired);
        return `t${asked.length}`;
      },
    },
  });
  assertEquals((await client.get("http://one/")).status, 401);
  assertEquals(asked, [undefined]);
  assertEquals(sent, ["http://one/ Bearer t1", "http://two/x null"]);
});

Deno.test("a 401 of the same origin behind a redirect renews the token", async () => {
  let token = 0;
  const { sent, fetch } = network({
    "http://one/a": () => redirect("/b"),
    "http://one/b": () => new Response("", { status: token < 2 ? 401 : 200 }),
  });
  await using client = new AsyncHTTPClient({
    fetch,
    auth: { token: () => `t${++token}` },
  });
  assertEquals((await client.get("http://one/a")).status, 200);
  assertEquals(sent.at(-1), "http://one/b Bearer t2");
});

Deno.test("a token stays with baseUrl's origin when a hook leads the retry to another", async () => {
  const { sent, fetch } = network({
    "http://one/": () => new Response("", { status: 503 }),
  });
  await using client = new AsyncHTTPClient({
    fetch,
    baseUrl: "http://one/",
    auth: { token: () => "secret" },
    retryPolicy: { baseDelay: 0 },
    hooks: {
      beforeRetry({ request }) {
        request.url = "http://two/";
      },
    },
  });
  assertEquals(await client.get("a").text(), "none");
  assertEquals(sent, ["http://one/a Bearer secret", "http://two/ null"]);
});

Deno.test("auth.token that waits for a request which needs its token is told so, at the first token and at a renewal", async () => {
  for (const isFirst of [true, false]) {
    for (const isLate of [true, false]) {
      await using client: AsyncHTTPClient = new AsyncHTTPClient({
        timeout: Infinity,
        auth: {
          token: async ({ expired }) => {
            if (!isFirst && expired === undefined) return "old";
            if (isLate) await Promise.resolve();
            return await client.post("http://h/token").text();
          },
        },
        fetch: () => Promise.resolve(new Response("no", { status: 401 })),
      });
      await assertRejects(
        () => client.get("http://h/").text(),
        TypeError,
        "Give that request auth: false",
      );
      await assertNothingLeft(client);
    }
  }
});

Deno.test("auth.token may make its request with auth: false, and leave others behind that come later", async () => {
  const later = Promise.withResolvers<void>();
  const got: Promise<string>[] = [];
  await using client: AsyncHTTPClient = new AsyncHTTPClient({
    auth: {
      token: async ({ expired }) => {
        if (expired !== undefined) return "new";
        got.push(later.promise.then(() => client.get("http://h/").text()));
        return await client.post("http://h/token", { auth: false }).text();
      },
    },
    fetch: (_, { headers }) => {
      const authorization = new Headers(headers).get("authorization");
      return Promise.resolve(
        authorization === "Bearer old" && got.length > 1
          ? new Response("expired", { status: 401 })
          : new Response(authorization ?? "old"),
      );
    },
  });
  assertEquals(await client.get("http://h/").text(), "Bearer old");
  got.push(Promise.resolve(""));
  later.resolve();
  assertEquals(await got[0], "Bearer new");
});

Deno.test("a renewed token takes no retry from the policy", async () => {
  const statuses = [401, 503, 200];
  await using client = new AsyncHTTPClient({
    retryPolicy: { maxRetries: 1, baseDelay: 0 },
    auth: { token: ({ expired }) => expired === undefined ? "old" : "new" },
    fetch: () =>
      Promise.resolve(new Response(null, { status: statuses.shift()! })), // as many as are asked for
  });
  assertEquals((await client.get("http://h/")).status, 200);
});
