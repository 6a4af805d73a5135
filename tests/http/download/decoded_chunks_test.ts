/**
 * Downloads from servers that compress though they were asked not to.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import {
  asyncDownload,
  AsyncHTTPClient,
  DownloadError,
  NetworkError,
  ResponseTooLargeError,
} from "../../../http/mod.ts";
import { serve } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

testWith(
  ["net", "read", "write"],
  "asyncDownload() takes what is no whole gzip for a lost body, holds to maxResponseBytes after decompression, and keeps no call",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const compressed = await new Response(
      new Blob([new Uint8Array(1_000_000)]).stream().pipeThrough(
        new CompressionStream("gzip"),
      ),
    ).bytes();
    const bodies = new Map([
      ["whole", compressed],
      ["cut", compressed.subarray(0, compressed.length - 9)],
      ["none", new Uint8Array(100)],
    ]);
    await using server = serve((request) => {
      const [, encoding = "", body = ""] = new URL(request.url).pathname
        .split("/");
      return new Response(bodies.get(body) ?? null, {
        headers: { "content-encoding": encoding },
      });
    });
    await using client = new AsyncHTTPClient({
      retryPolicy: { maxRetries: 1, baseDelay: 1 },
    });
    await using strict = new AsyncHTTPClient({ maxResponseBytes: 100_000 });
    for (
      const [path, through, kind, requests] of [
        ["gzip/cut", client, NetworkError, 2],
        ["gzip/none", client, NetworkError, 2],
        ["br/whole", client, DownloadError, 1],
        ["gzip/whole", strict, ResponseTooLargeError, 1],
      ] as const
    ) {
      const before = server.requests.length;
      await assertRejects<Error>(
        () =>
          asyncDownload(`${server.url}/${path}`, `${directory.root}/f`, {
            client: through,
          }),
        kind,
      );
      assertEquals(server.requests.length - before, requests, path);
      await assertNothingLeft(through);
      assertEquals(openFiles(directory.root), 0, path);
    }
    assertEquals([...Deno.readDirSync(directory.root)], []);
  },
);
