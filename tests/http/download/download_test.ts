import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { encodeHex, sha256 } from "../../support/digest.ts";
import {
  asyncDownload,
  AsyncHTTPClient,
  ChecksumError,
  DownloadBusyError,
  HTTPStatusError,
  ResponseTooLargeError,
} from "../../../http/mod.ts";
import { serve } from "../../support/http_servers.ts";
import { serveFile } from "../../support/file_server.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";

const needs: Deno.PermissionName[] = ["net", "read", "write"];
const contents = new Uint8Array(300_000).map((_, index) => (index * 7919) >> 3);
const fast = { maxRetries: 3, baseDelay: 1, jitter: "none" } as const;

async function inDirectory(
  fn: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await fn(directory);
    assertEquals(openFiles(directory), 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function names(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(directory)) found.push(name);
  return found.sort();
}

testWith(
  needs,
  "asyncDownload() writes the file whole and reports bytes, checksum and etag",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await using client = new AsyncHTTPClient();
      const seen: number[] = [];
      const result = await asyncDownload(`${server.url}/f`, `${directory}/f`, {
        client,
        checksum: `sha256:${encodeHex(await sha256(contents))}`,
        onProgress: ({ bytes, total, fraction }) => {
          seen.push(bytes);
          assertEquals(total, contents.length);
          assert(fraction! <= 1);
        },
      });
      assertEquals([result.bytes, result.etag, result.resumedFrom], [
        contents.length,
        '"v1"',
        0,
      ]);
      assertEquals(result.checksum, encodeHex(await sha256(contents)));
      assertEquals(await Deno.readFile(`${directory}/f`), contents);
      assertEquals(await names(directory), ["f"]);
      assertEquals(seen.at(-1), contents.length);
      await assertNothingLeft(client, server);
    }),
);

testWith(
  needs,
  "asyncDownload() continues where a broken connection stopped",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({
        contents,
        breakAfter: [100_000, 50_000],
      });
      await using client = new AsyncHTTPClient({ retryPolicy: fast });
      const result = await asyncDownload(`${server.url}/f`, `${directory}/f`, {
        client,
      });
      assertEquals(await Deno.readFile(`${directory}/f`), contents);
      assertEquals(result.bytes, contents.length);
      assert(
        server.ranges.length === 3 && server.ranges[0] === undefined &&
          server.ranges[2] !== undefined,
        String(server.ranges),
      );
    }),
);

testWith(
  needs,
  "asyncDownload() keeps the part when aborted, and a later call continues it",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents, stallAfter: [150_000] });
      await using client = new AsyncHTTPClient();
      const controller = new AbortController();
      const reason = new Error("later");
      const pending = asyncDownload(`${server.url}/f`, `${directory}/f`, {
        client,
        signal: controller.signal,
        onProgress: ({ bytes }) =>
          bytes === 150_000 && controller.abort(reason),
      });
      assertStrictEquals(await pending.catch((error) => error), reason);
      assertEquals(openFiles(directory), 0);
      await assertNothingLeft(client, server);
      assertEquals(await names(directory), ["f.part", "f.part.json"]);
      const result = await asyncDownload(`${server.url}/f`, `${directory}/f`, {
        client,
      });
      assertEquals(result.resumedFrom, 150_000);
      assertEquals(server.ranges, [undefined, "bytes=150000-"]);
      assertEquals(await Deno.readFile(`${directory}/f`), contents);
      assertEquals(result.checksum, encodeHex(await sha256(contents)));
      assertEquals(await names(directory), ["f"]);
    }),
);

testWith(
  needs,
  "asyncDownload() removes only the bad part when the checksum differs, and says both values",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await Deno.writeTextFile(`${directory}/f`, "old");
      const expected = "0".repeat(64);
      const error = await assertRejects(
        () =>
          asyncDownload(`${server.url}/f?key=SECRET`, `${directory}/f`, {
            checksum: expected,
          }),
        ChecksumError,
      );
      assertEquals(openFiles(directory), 0);
      assertEquals([error.expected, error.actual], [
        expected,
        encodeHex(await sha256(contents)),
      ]);
      assert(!Deno.inspect(error).includes("SECRET"));
      assertEquals(await names(directory), ["f"]);
      assertEquals(await Deno.readTextFile(`${directory}/f`), "old");
    }),
);

testWith(
  needs,
  "asyncDownload() refuses a second download to the same path",
  () =>
    inDirectory(async (directory) => {
      const gate = Promise.withResolvers<void>();
      await using server = serveFile({
        contents,
        before: () => gate.promise,
      });
      const name = directory.split("/").at(-1);
      const results = Promise.allSettled(
        [`${directory}/f`, `${directory}/../${name}/f`].map(async (path) => {
          try {
            return await asyncDownload(`${server.url}/f`, path);
          } finally {
            // The first to end is the refused one: the other waits for this.
            gate.resolve();
          }
        }),
      );
      const refused = (await results).filter(({ status }) =>
        status === "rejected"
      ) as PromiseRejectedResult[];
      assertEquals(refused.length, 1);
      assert(refused[0]!.reason instanceof DownloadBusyError);
    }),
);

testWith(
  needs,
  "asyncDownload() writes an empty file, refuses a status and more than maxBytes, leaving nothing",
  () =>
    inDirectory(async (directory) => {
      await using server = serve((request) =>
        request.url.endsWith("/empty")
          ? new Response("")
          : request.url.endsWith("/large")
          ? new Response(
            ReadableStream.from([new Uint8Array(10), new Uint8Array(10)]),
          )
          : new Response("no", { status: 404 })
      );
      assertEquals(
        (await asyncDownload(`${server.url}/empty`, `${directory}/e`)).bytes,
        0,
      );
      await assertRejects(
        () => asyncDownload(`${server.url}/no`, `${directory}/n`),
        HTTPStatusError,
      );
      await assertRejects(() =>
        asyncDownload(`${server.url}/large`, `${directory}/l`, {
          maxBytes: 15,
          resume: false,
        }), ResponseTooLargeError);
      assertEquals(await names(directory), ["e"]);
    }),
);
