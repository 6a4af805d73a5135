/**
 * Uploads by way of a proxy: the client's own, or the environment's.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  AsyncHTTPClient,
  asyncUpload,
  NetworkError,
  type UploadProgress,
} from "../../../http/mod.ts";
import { fromFileUrl } from "@std/path";
import { cert, key } from "../../support/certificate.ts";
import { serveProxy } from "../../support/http_proxy.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { testWith } from "../../support/permissions.ts";
import { pause } from "../../support/real_time.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

/** Answers, slowly, with what it was sent. */
function serveTarget(isSecure: boolean) {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    ...(isSecure ? { cert, key } : undefined),
  }, async (request) => {
    const said = request.headers.get("content-length");
    const proxied = request.headers.has("proxy-authorization");
    const bytes = await request.bytes().catch(() => undefined);
    // Aborted.
    if (bytes === undefined) return new Response();
    return new Response(ReadableStream.from((async function* () {
      for (const part of [said, bytes.length, isSecure && proxied]) {
        await pause(20);
        yield new TextEncoder().encode(`${part} `);
      }
    })()));
  });
  return {
    url: `http${isSecure ? "s" : ""}://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

testWith(
  ["net", "read", "write"],
  "asyncUpload() goes through its client's proxy, to http and https, with its length and its progress",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    await Deno.writeFile(path, new Uint8Array(600_000));
    for (const isSecure of [false, true]) {
      await using target = serveTarget(isSecure);
      await using proxy = serveProxy();
      await using client = new AsyncHTTPClient({
        transport: {
          caCerts: [cert],
          proxy: {
            url: proxy.url,
            basicAuth: { username: "us:er@", password: "p ä" },
          },
        },
      });
      const progress: UploadProgress[] = [];
      const response = await asyncUpload(`${target.url}/a?b=c#d`, path, {
        client,
        onProgress: (each) => void progress.push(each),
      });
      assertEquals(await response.text(), "600000 600000 false ");
      assertEquals(progress.at(-1)?.fraction, 1);
      assertEquals(proxy.heads.length, 1);
      const [line = "", ...headers] = proxy.heads[0]!.split("\r\n");
      assertEquals(
        line,
        isSecure
          ? `CONNECT ${new URL(target.url).host} HTTP/1.1`
          : `PUT ${target.url}/a?b=c HTTP/1.1`,
      );
      const encoded = btoa(
        String.fromCharCode(...new TextEncoder().encode("us:er@:p ä")),
      );
      assert(
        headers.some((header) =>
          header.toLowerCase() ===
            `proxy-authorization: basic ${encoded}`.toLowerCase()
        ),
        headers.join("\n"),
      );
      await assertNothingLeft(client, proxy);
    }
  },
);

testWith(
  ["net"],
  "asyncUpload() tells a proxy of the same user as a call does, whatever stands in the password",
  async () => {
    await using target = serveTarget(false);
    for (const password of ["50%off", "a%41b", "p%zz", "100%"]) {
      for (const isInUrl of [false, true]) {
        await using proxy = serveProxy();
        const url = proxy.url.replace("//", `//u:${password}@`);
        await using client = new AsyncHTTPClient({
          transport: {
            proxy: isInUrl
              ? { url }
              : { url: proxy.url, basicAuth: { username: "u", password } },
          },
        });
        await client.get(target.url).text();
        await (await asyncUpload(target.url, new Blob(["x"]), { client }))
          .text();
        const [call, upload] = proxy.heads.map((head) =>
          /^proxy-authorization: (.*)$/im.exec(head)?.[1]?.trim()
        );
        assertEquals(upload, call, `${password} ${isInUrl}`);
      }
    }
  },
);

testWith(
  ["net"],
  "asyncUpload() closes its tunnel when the request is refused before it is sent",
  async () => {
    await using target = serveTarget(true);
    await using proxy = serveProxy();
    await using client = new AsyncHTTPClient({
      transport: { caCerts: [cert], proxy: { url: proxy.url } },
    });
    await assertRejects(() =>
      asyncUpload(target.url, new Blob(["x"]), {
        client,
        headers: { x: "a\u1234" },
      })
    );
    await assertNothingLeft(client, proxy);
  },
);

testWith(
  ["net"],
  "asyncUpload() lets go of a proxy that is silent, refuses or talks nonsense, and of a tunnel when it is aborted",
  async () => {
    for (const scheme of ["http", "https"]) {
      await using silent = serveProxy("");
      await using client = new AsyncHTTPClient({
        transport: { proxy: { url: silent.url } },
      });
      const caller = new AbortController();
      const reason = new Error("enough");
      const upload = asyncUpload(
        `${scheme}://target.test/`,
        new Uint8Array(9),
        {
          client,
          signal: caller.signal,
        },
      );
      const aborted = assertRejects(() => upload);
      while (silent.heads.length === 0) await pause(1);
      caller.abort(reason);
      assertStrictEquals(await aborted, reason);
      await assertNothingLeft(client, silent);
    }
    await using target = serveTarget(true);
    await using proxy = serveProxy();
    await using tunnelled = new AsyncHTTPClient({
      transport: { caCerts: [cert], proxy: { url: proxy.url } },
    });
    const caller = new AbortController();
    const reason = new Error("enough");
    let chunks = 0;
    let isClosed = false;
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (chunks++ === 0) return controller.enqueue(new Uint8Array(9));
        caller.abort(reason);
        return new Promise(() => {});
      },
      cancel: () => void (isClosed = true),
    }, { highWaterMark: 0 });
    const error = await assertRejects(() =>
      asyncUpload(target.url, source, {
        client: tunnelled,
        signal: caller.signal,
      })
    );
    assertStrictEquals(error, reason);
    assert(isClosed);
    await assertNothingLeft(tunnelled, proxy);
    for (const answer of ["HTTP/1.1 407 Who\r\n\r\n", "nonsense\r\n\r\n"]) {
      await using refusing = serveProxy(answer);
      await using client = new AsyncHTTPClient({
        transport: { proxy: { url: refusing.url } },
      });
      const error = await assertRejects(
        () =>
          asyncUpload("https://target.test/", new Uint8Array(9), { client }),
        NetworkError,
      );
      if (answer.includes("407")) assertEquals(error.failure, "connect");
      await assertNothingLeft(client, refusing);
    }
  },
);

testWith(
  ["net", "read", "run", "env"],
  "asyncUpload() goes through the environment's proxy exactly where calls do, with its length",
  async () => {
    const HTTP_PROXY = "PROXY";
    const cases: [Record<string, unknown>, "proxy" | "other" | "target"][] = [
      [{}, "target"],
      [{ HTTP_PROXY }, "proxy"],
      [{ http_proxy: "BARE" }, "proxy"],
      [{ HTTPS_PROXY: "PROXY" }, "target"],
      [{ ALL_PROXY: "OTHER", HTTP_PROXY }, "other"],
      [{ HTTP_PROXY: "ftp://127.0.0.1:9", http_proxy: "PROXY" }, "proxy"],
      [{ HTTP_PROXY, REQUEST_METHOD: "GET" }, "target"],
      [{ HTTP_PROXY, own: true }, "other"],
      [{ HTTP_PROXY, NO_PROXY: "a, 127.0.0.1" }, "target"],
      [{ HTTP_PROXY, NO_PROXY: "127.0.0.0/8,::/129,x/y" }, "target"],
      [{ HTTP_PROXY, NO_PROXY: "126.0.0.0/8,::1" }, "proxy"],
      [
        { HTTP_PROXY, NO_PROXY: "127.0.0.1/,127.0.0.0/-1,127.1.1.1/8.5" },
        "proxy",
      ],
      [{ HTTP_PROXY, no_proxy: "127.0.0.1" }, "target"],
      [{ own: true, NO_PROXY: "127.0.0.1" }, "target"],
      [{ HTTP_PROXY, host: "localhost" }, "proxy"],
      [{ HTTP_PROXY, host: "localhost", NO_PROXY: "localhost" }, "target"],
      [{ HTTP_PROXY, host: "localhost", NO_PROXY: ".localhost" }, "target"],
      [{ HTTP_PROXY, host: "localhost", NO_PROXY: "*" }, "target"],
      [{ HTTP_PROXY, host: "localhost", NO_PROXY: "host,a.b" }, "proxy"],
    ];
    const output = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--no-check"],
        ...["--allow-net=127.0.0.1,localhost", "--allow-env"],
        fromFileUrl(
          new URL("../../support/proxied_process.ts", import.meta.url),
        ),
        JSON.stringify(cases.map(([environment]) => environment)),
      ],
      stdin: "null",
      signal: AbortSignal.timeout(60_000),
    }).output();
    const results = JSON.parse(new TextDecoder().decode(output.stdout));
    for (const [index, [environment, route]] of cases.entries()) {
      assertEquals(results[index], {
        routes: [route, route],
        lengths: ["300000 300000", "300000 300000"],
      }, JSON.stringify(environment));
    }
  },
);
