/**
 * What an upload that fails, is aborted or answered early lets go of: its source and its socket.
 *
 * @module
 */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  AsyncHTTPClient,
  asyncUpload,
  HTTPStatusError,
  type UploadOptions,
} from "../../../http/mod.ts";
import {
  closedByPeer,
  type RawServer,
  serveRaw,
} from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { pause, until } from "../../support/real_time.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

const needs: Deno.PermissionName[] = ["net", "read", "write"];

/** Answers before it has read the body, and neither reads on nor hangs up. */
function serveEarly(status = 413): RawServer {
  return serveRaw(async ({ head, send, socket }) => {
    await head();
    await send(`HTTP/1.1 ${status} X\r\nContent-Length: 4\r\n\r\nmuch`);
    await closedByPeer(socket);
  });
}

function serveSilent(): RawServer {
  return serveRaw(({ socket }) => closedByPeer(socket));
}

/** Gives so many chunks, then waits for ever. */
function waiting(chunks: number) {
  const cancelled: unknown[] = [];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (chunks-- <= 0) return new Promise(() => {});
      controller.enqueue(new Uint8Array(1000));
    },
    cancel: (reason) => void cancelled.push(reason),
  }, { highWaterMark: 0 });
  return { stream, cancelled };
}

/** As with a proxy, which node:http does not know: the runtime's fetch sends. */
const byFetch = { transport: { http1: false, http2: true } };

testWith(
  ["net"],
  "asyncUpload() closes a source that waits for its next chunk when it is aborted or refused early",
  async () => {
    for (
      const options of [{}, { field: "file" }] as UploadOptions[]
    ) {
      for (const chunks of [0, 1, 3]) {
        // Nothing is sent before there is a first chunk to be answered.
        const { stream, cancelled } = waiting(Math.max(chunks, 1));
        await using client = new AsyncHTTPClient({ maxConnections: 1 });
        await using early = serveEarly();
        const error = await assertRejects(
          () => asyncUpload(early.url, stream, { client, ...options }),
          HTTPStatusError,
        );
        assertEquals([error.status, error.body], [413, "much"]);
        assertEquals(cancelled.length, 1);
        await assertNothingLeft(client, early);
        await using silent = serveSilent();
        const caller = new AbortController();
        const reason = new Error("enough");
        const aborted = waiting(chunks);
        const pending = asyncUpload(silent.url, aborted.stream, {
          client,
          signal: caller.signal,
          ...options,
        });
        pending.catch(() => {});
        await until(() => silent.open === 1);
        await pause(2);
        caller.abort(reason);
        assertStrictEquals(await pending.catch((error) => error), reason);
        await until(() => aborted.cancelled.length === 1);
        await assertNothingLeft(client, silent);
      }
    }
  },
);

testWith(
  ["net"],
  "asyncUpload() leaves neither its source nor its socket to a server that takes it early",
  async () => {
    await using client = new AsyncHTTPClient({ maxConnections: 1 });
    await using early = serveEarly(200);
    const { stream, cancelled } = waiting(1);
    const response = await asyncUpload(early.url, stream, { client });
    await until(() => cancelled.length === 1);
    assertEquals(await response.text(), "much");
    await assertNothingLeft(client, early);
    // The answer itself is long in coming.
    await using slow = serveRaw(async ({ head, send, socket }) => {
      await head();
      await send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
      await closedByPeer(socket);
    });
    const other = waiting(1);
    const unread = await asyncUpload(slow.url, other.stream, { client });
    assertEquals(other.cancelled.length, 1);
    await unread.body!.cancel();
    await assertNothingLeft(client, slow);
  },
);

testWith(
  ["net"],
  "asyncUpload() closes a source that was never read when its request cannot be sent",
  async () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    for (const settings of [{}, byFetch]) {
      await using client = new AsyncHTTPClient(settings);
      for (
        const [url, headers] of [
          [`http://127.0.0.1:${port}/`, {}],
          [`http://127.0.0.1:${port}/`, { "a b": "c" }],
          ["http://[bad", {}],
        ] as const
      ) {
        const { stream, cancelled } = waiting(0);
        await assertRejects(() =>
          asyncUpload(url, stream, { client, headers })
        );
        await until(() => cancelled.length === 1);
        await assertNothingLeft(client);
      }
    }
  },
);

testWith(
  needs,
  "asyncUpload() has closed its file when it rejects",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("f", new Uint8Array(3_000_000));
    await using early = serveEarly();
    await using silent = serveSilent();
    // A slow disk: what is not waited for is still open.
    const { read } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.read = async function (buffer) {
      await pause(20);
      return await read.call(this, buffer);
    };
    try {
      const caller = new AbortController();
      const thrown = new Error("mine");
      for (
        const [url, options, expected] of [
          [early.url, {}, HTTPStatusError],
          [silent.url, {
            signal: caller.signal,
            onProgress: () => caller.abort(thrown),
          }, Error],
          [silent.url, {
            onProgress() {
              throw thrown;
            },
          }, Error],
          [silent.url, { timeout: 50, retryPolicy: false }, Error],
        ] as [string, UploadOptions, new () => Error][]
      ) {
        await using client = new AsyncHTTPClient({
          retryPolicy: { baseDelay: 0 },
          maxConnections: 1,
        });
        await assertRejects(
          () => asyncUpload(url, path, { client, ...options }),
          expected,
        );
        // At once, not a moment later.
        assertEquals(openFiles(path), 0);
        await assertNothingLeft(client);
      }
      await until(() => early.open + silent.open === 0);
    } finally {
      Deno.FsFile.prototype.read = read;
    }
  },
);

testWith(
  ["net"],
  "asyncUpload() does not hang when the server closes its connection after each answer",
  async () => {
    await using server = serveRaw(async ({ head, send, socket }) => {
      let text = await head();
      const buffer = new Uint8Array(1000);
      while (!text.endsWith("abc")) {
        const count = await socket.read(buffer);
        if (count === null) return;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
      // As if it were kept: only it is not.
      await send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      await pause(1);
    });
    await using client = new AsyncHTTPClient({ timeout: 30_000 });
    const bytes = new TextEncoder().encode("abc");
    for (let upload = 0; upload < 20; upload++) {
      const response = await asyncUpload(server.url, bytes, { client });
      assertEquals(await response.text(), "ok");
      // The server closes within this time, seen by nobody: the loop stands still.
      const end = performance.now() + 2;
      while (performance.now() < end);
    }
    await assertNothingLeft(client, server);
  },
);
