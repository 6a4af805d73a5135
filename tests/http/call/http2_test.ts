import { assertEquals } from "@std/assert";
import { AsyncHTTPClient } from "../../../http/mod.ts";
import { serve } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";

testWith(
  ["net"],
  "AsyncHTTPClient cancels the bodies of failed attempts on HTTP/2, where unread ones stall the origin",
  async () => {
    let endless = 0;
    await using server = serve((_, index) => {
      if (index % 10 === 9) return new Response("yes");
      return new Response(
        new ReadableStream({
          start: () => void endless++,
          pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
          cancel: () => void endless--,
        }, { highWaterMark: 0 }),
        { status: 503 },
      );
    });
    // Plain HTTP/2, by prior knowledge.
    await using client = new AsyncHTTPClient({
      transport: { http1: false, http2: true },
      retryPolicy: { maxRetries: 20, baseDelay: 0, budget: false },
      timeout: 10_000,
    });
    for (let call = 0; call < 5; call++) {
      assertEquals(await client.get(server.url).text(), "yes");
    }
    assertEquals(server.requests.length, 50);
    while (endless > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await assertNothingLeft(client);
  },
);
