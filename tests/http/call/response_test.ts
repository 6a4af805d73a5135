/**
 * The response that a call hands out: however its body is come by, nothing is kept.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  AsyncHTTPClient,
  InvalidRequestError,
  NetworkError,
} from "../../../http/mod.ts";
import { serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

const NOTHING = { calls: 0, connections: 0, waiting: 0 };

testWith(
  ["net"],
  "a response whose body was only looked at, or that was cloned, gives its connection back when it is read",
  async () => {
    await using server = serve(() => new Response("text"));
    await using client = new AsyncHTTPClient({ maxConnections: 1 });
    const looked = await client.get(server.url);
    assertEquals(looked.body?.locked, false);
    assertEquals(await looked.text(), "text");
    assertEquals(client.stats, NOTHING);
    await assertRejects(() => looked.text(), TypeError);
    const cloned = await client.get(server.url);
    assertEquals(cloned.body?.locked, false);
    const copy = cloned.clone();
    assertEquals([await copy.text(), await cloned.text()], ["text", "text"]);
    assertEquals(client.stats, NOTHING);
    const taken = await client.get(server.url);
    const reader = taken.body?.getReader();
    await assertRejects(() => taken.text(), TypeError);
    await reader?.cancel();
    assertEquals(client.stats, NOTHING);
  },
);

testWith(
  ["net"],
  "a response that is no form rejects formData() with the runtime's error, one that breaks off with NetworkError",
  async () => {
    await using server = serve(() => new Response("text"));
    await using client = new AsyncHTTPClient({ maxConnections: 1 });
    const response = await client.get(server.url);
    const error = await assertRejects(() => response.formData(), TypeError);
    assertEquals(error.name, "TypeError");
    assertEquals(client.stats, NOTHING);
    await using raw = serveRaw(async ({ head, send }) => {
      await head();
      await send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    });
    const broken = await client.get(raw.url);
    await assertRejects(() => broken.formData(), NetworkError);
    await assertNothingLeft(client, raw);
    await using forms = serve(() => {
      const form = new FormData();
      form.set("name", "Ada");
      return new Response(form);
    });
    const form = await (await client.get(forms.url)).formData();
    assertEquals(form.get("name"), "Ada");
  },
);

testWith(
  ["net"],
  "init.redirect decides whether a redirect is followed, is the answer or fails",
  async () => {
    await using server = serve((request) =>
      request.url.endsWith("/from")
        ? new Response("moved", { status: 302, headers: { location: "/to" } })
        : new Response("there")
    );
    await using client = new AsyncHTTPClient({ baseUrl: server.url });
    const get = (redirect: RequestRedirect) =>
      client.get("/from", { init: { redirect } });
    assertEquals(await get("follow").text(), "there");
    const manual = await get("manual");
    assertEquals([manual.status, await manual.text()], [302, "moved"]);
    await assertRejects(() => get("error"), InvalidRequestError, "redirect");
    await assertNothingLeft(client);
  },
);

testWith(
  ["net"],
  "a response that is read by two at a time gives one of them its body, and the other a TypeError",
  async () => {
    await using server = serve(() => new Response("text"));
    for (const options of [{}, { maxResponseBytes: 9 }]) {
      await using client = new AsyncHTTPClient(options);
      const response = await client.get(server.url);
      const first = response.text();
      await assertRejects(() => response.text(), TypeError);
      assertEquals(await first, "text");
      assertEquals(client.stats, NOTHING);
    }
  },
);
