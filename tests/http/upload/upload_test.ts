import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  AsyncHTTPClient,
  asyncUpload,
  HTTPStatusError,
  UploadError,
  type UploadOptions,
  type UploadProgress,
} from "../../../http/mod.ts";
import { escapeName } from "../../../http/upload/multipart.ts";
import { serve, serveRaw } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const needs: Deno.PermissionName[] = ["net", "read", "write"];

/** A file of so many bytes, sparse, so that it costs no disk. */
async function withFile(
  bytes: number,
  fn: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".bin" });
  try {
    await Deno.truncate(path, bytes);
    await fn(path);
  } finally {
    await Deno.remove(path);
  }
}

const counting = () =>
  serve(async (request) => {
    let bytes = 0;
    for await (const chunk of request.body ?? []) bytes += chunk.length;
    const { headers, method } = request;
    return Response.json({
      bytes,
      method,
      length: headers.get("content-length"),
      type: headers.get("content-type"),
      encoding: headers.get("transfer-encoding"),
    });
  });

testWith(
  needs,
  "asyncUpload() sends 1 GB from disk with its Content-Length in bounded memory",
  () =>
    withFile(2 ** 30, async (path) => {
      await using server = counting();
      let peak = 0;
      let last: UploadProgress | undefined;
      const before = Deno.memoryUsage();
      let heapPeak = 0;
      const response = await asyncUpload(server.url, path, {
        onProgress: (progress) => {
          last = progress;
          if (progress.sent % (1 << 26) === 0) {
            const now = Deno.memoryUsage();
            peak = Math.max(peak, now.rss - before.rss);
            heapPeak = Math.max(
              heapPeak,
              now.heapUsed + now.external - before.heapUsed - before.external,
            );
          }
        },
      });
      assertEquals(await response.json(), {
        bytes: 2 ** 30,
        method: "PUT",
        length: String(2 ** 30),
        type: "application/octet-stream",
        encoding: null,
      });
      assertEquals([last!.sent, last!.total, last!.fraction], [
        2 ** 30,
        2 ** 30,
        1,
      ]);
      assert(heapPeak < 250e6, `${heapPeak} bytes more in this thread`);
      // The other tests of this process count as well.
      assert(peak < 700e6, `${peak} bytes more`);
    }),
);

testWith(
  ["net"],
  "asyncUpload() sends bytes and Blobs with their length, streams in chunks",
  async () => {
    await using server = counting();
    await using client = new AsyncHTTPClient();
    const send = async (
      source: Parameters<typeof asyncUpload>[1],
      options = {},
    ) => (await asyncUpload(server.url, source, { client, ...options })).json();
    const common = {
      bytes: 5,
      method: "PUT",
      type: "application/octet-stream",
      encoding: null,
      length: "5",
    };
    assertEquals(await send(new TextEncoder().encode("hello")), common);
    assertEquals(
      await send(new TextEncoder().encode("hello").buffer, { method: "POST" }),
      { ...common, method: "POST" },
    );
    assertEquals(await send(new Blob(["hello"], { type: "text/plain" })), {
      ...common,
      type: "text/plain",
    });
    assertEquals(await send(new Blob(["hello"]).stream()), {
      ...common,
      length: null,
      encoding: "chunked",
    });
    assertEquals(await send(new Uint8Array()), {
      ...common,
      bytes: 0,
      length: "0",
    });
    assertEquals(client.stats.calls, 0);
  },
);

testWith(
  needs,
  "asyncUpload() with a field sends a form, its names quoted as browsers do",
  () =>
    withFile(100_000, async (path) => {
      await using server = serve(async (request) => {
        const announced = Number(request.headers.get("content-length"));
        const form = await request.formData();
        const file = form.get("the %22file%22") as File;
        return Response.json({
          size: file.size,
          name: file.name,
          type: file.type,
          note: form.get("note"),
          announced: announced > 100_000,
        });
      });
      const response = await asyncUpload(server.url, path, {
        field: 'the "file"',
        fileName: 'naïve "quoted" 名.txt',
        contentType: "text/plain",
        fields: { note: "two\nlines" },
      });
      assertEquals(await response.json(), {
        size: 100_000,
        name: "naïve %22quoted%22 名.txt",
        type: "text/plain",
        note: "two\r\nlines",
        announced: true,
      });
      assertEquals(escapeName('a"b\r\nc\nd'), "a%22b%0D%0Ac%0D%0Ad");
    }),
);

testWith(
  needs,
  "asyncUpload() stops and says so when the server answers early",
  () =>
    withFile(2 ** 28, async (path) => {
      await using server = serveRaw(async ({ head, send, socket }) => {
        await head();
        await send(
          "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch",
        );
        // A polite server reads on a little, so that its answer is not lost.
        const buffer = new Uint8Array(65_536);
        for (let read = 0; read < 20; read++) await socket.read(buffer);
      });
      let sent = 0;
      await using client = new AsyncHTTPClient({
        retryPolicy: { baseDelay: 1 },
      });
      const error = await assertRejects(
        () =>
          asyncUpload(server.url, path, {
            client,
            onProgress: (progress) => sent = progress.sent,
          }),
        HTTPStatusError,
      );
      assertEquals([error.status, error.body], [413, "much"]);
      assert(sent < 2 ** 27, `${sent} bytes were sent`);
      assertEquals(openFiles(path), 0);
      await assertNothingLeft(client, server);
    }),
);

testWith(
  needs,
  "asyncUpload() counts what was really sent, not what was read ahead",
  () =>
    withFile(2 ** 27, async (path) => {
      const gate = Promise.withResolvers<void>();
      await using server = serveRaw(async ({ head, socket, send }) => {
        await head();
        await gate.promise;
        const buffer = new Uint8Array(1 << 20);
        // head() has taken the beginning.
        for (let read = 0; read < 2 ** 27 - 4096;) {
          read += await socket.read(buffer) ?? Infinity;
        }
        await send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
      let sent = 0;
      const pending = asyncUpload(server.url, path, {
        onProgress: (progress) => sent = progress.sent,
      });
      for (let seen = -1; seen !== sent || sent === 0;) {
        seen = sent;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      // What the sockets' buffers hold, on both sides, and no more.
      assert(sent < 2 ** 25, `${sent} bytes`);
      gate.resolve();
      assertEquals((await pending).status, 200);
    }),
);

testWith(
  needs,
  "asyncUpload() fails when the file becomes shorter, and is not retried",
  () =>
    withFile(2 ** 26, async (path) => {
      await using server = serveRaw(async ({ head, socket }) => {
        await head();
        await Deno.truncate(path, 10);
        const buffer = new Uint8Array(1 << 20);
        while (await socket.read(buffer) !== null);
      });
      const error = await assertRejects(
        () => asyncUpload(`${server.url}/?key=SECRET`, path),
        UploadError,
      );
      assertStringIncludes(error.message, "became shorter");
      assert(!Deno.inspect(error).includes("SECRET"));
      assertEquals(server.connections, 1);
      assertEquals(openFiles(path), 0);
      await until(() => server.open === 0);
    }),
);

testWith(
  needs,
  "asyncUpload() sends a file again by the retry policy, and a stream never",
  () =>
    withFile(1000, async (path) => {
      await using server = serve(async (request, index) => {
        const { length } = await request.bytes();
        return new Response(String(length), {
          status: index % 2 === 0 ? 503 : 200,
        });
      });
      await using client = new AsyncHTTPClient({
        retryPolicy: { baseDelay: 1 },
      });
      assertEquals(
        await (await asyncUpload(server.url, path, { client })).text(),
        "1000",
      );
      await assertRejects(
        () => asyncUpload(server.url, new Blob(["x"]).stream(), { client }),
        HTTPStatusError,
      );
      assertEquals(server.requests.length, 3);
      await assertNothingLeft(client);
    }),
);

testWith(
  needs,
  "asyncUpload() sends a file that has grown since the first attempt whole, with its new length",
  () =>
    withFile(1000, async (path) => {
      const lengths: (string | null)[] = [];
      await using server = serve(async (request, index) => {
        lengths.push(request.headers.get("content-length"));
        const { length } = await request.bytes();
        if (index === 0) await Deno.truncate(path, 3000);
        return new Response(`${length}`, { status: index === 0 ? 503 : 200 });
      });
      await using client = new AsyncHTTPClient({
        retryPolicy: { baseDelay: 1 },
      });
      const totals = new Set<number | undefined>();
      const response = await asyncUpload(server.url, path, {
        client,
        onProgress: ({ total }) => totals.add(total),
      });
      assertEquals(await response.text(), "3000");
      assertEquals(lengths, ["1000", "3000"]);
      assertEquals([...totals], [1000, 3000]);
    }),
);

testWith(
  ["net"],
  "asyncUpload() tells how many attempts were made, and why there were no more",
  async () => {
    for (const body of ["full", null]) {
      await using server = serve(async (request) => {
        await request.bytes();
        return new Response(body, { status: 503 });
      });
      await using client = new AsyncHTTPClient({
        retryPolicy: { baseDelay: 1, maxRetries: 2 },
      });
      const bytes = new Uint8Array(10);
      const error = await assertRejects(
        () => asyncUpload(server.url, bytes, { client }),
        HTTPStatusError,
      );
      assertEquals([error.attempts, error.failures.length, error.body], [
        3,
        2,
        body ?? "",
      ]);
      const once = await assertRejects(
        () => asyncUpload(server.url, new Blob([bytes]).stream(), { client }),
        HTTPStatusError,
      );
      assertStringIncludes(once.message, "the body is a stream");
      await assertNothingLeft(client);
    }
  },
);

testWith(
  ["net"],
  "asyncUpload() reads an answer that is compressed all the same",
  async () => {
    await using server = serve(async (request) => {
      await request.bytes();
      return new Response(
        new Blob(["stored"]).stream().pipeThrough(
          new CompressionStream("gzip"),
        ),
        { headers: { "content-encoding": "gzip" } },
      );
    });
    const response = await asyncUpload(server.url, new Uint8Array(10));
    assertEquals(await response.text(), "stored");
  },
);

testWith(["net"], "asyncUpload() closes its source when aborted", async () => {
  await using server = serveRaw(async ({ head, socket }) => {
    await head();
    await socket.read(new Uint8Array(10));
    await new Promise((resolve) => setTimeout(resolve, 100));
  });
  const controller = new AbortController();
  const reason = new Error("enough");
  const cancelled = Promise.withResolvers<void>();
  const source = new ReadableStream({
    pull(queue) {
      queue.enqueue(new Uint8Array(1 << 20));
    },
    cancel: () => cancelled.resolve(),
  });
  const pending = asyncUpload(server.url, source, {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  assertStrictEquals(await pending.catch((error) => error), reason);
  await cancelled.promise;
  await until(() => server.open === 0);
});

testWith(
  ["read"],
  "asyncUpload() refuses a source that is none, and a missing file",
  async () => {
    await assertRejects(
      () => asyncUpload("http://h/", 5 as never),
      TypeError,
      "source must be",
    );
    await assertRejects(
      () => asyncUpload("http://h/", "/no/such/file"),
      Deno.errors.NotFound,
    );
    // Through a fetch that reads it, since there is no permission for the network here.
    await using client = new AsyncHTTPClient({
      fetch: async (_url, { body }) =>
        new Response(await new Response(body).text()),
    });
    const texts = async function* () {
      yield await Promise.resolve("text");
    };
    await assertRejects(
      () => asyncUpload("http://h/", texts() as never, { client }),
      TypeError,
      'source must give chunks of bytes (Uint8Array), and gave "text"',
    );
  },
);

Deno.test("asyncUpload() names an option that it does not know, and one that is wrong", async () => {
  for (
    const [options, message] of [
      [{ filename: "f" }, 'asyncUpload() has no option "filename"; it takes'],
      [{ body: "x" }, 'asyncUpload() has no option "body"; it takes'],
      [{ method: 5 }, "method must be a string, got 5"],
      [{ field: "f", fields: { a: 5 } }, "fields.a must be a string, got 5"],
      [{ contentType: "a\nb" }, "contentType must be a string without line"],
      [{ fileName: "f" }, "fields and fileName are a form's"],
      [{ onProgress: true }, "onProgress must be a function, got true"],
    ] as const
  ) {
    const error = await assertRejects(() =>
      asyncUpload("http://h/", new Uint8Array(1), options as UploadOptions)
    );
    assertStringIncludes(String(error), message);
  }
});
