import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AsyncRunner } from "../../../runner/mod.ts";
import {
  asyncDownload,
  AsyncHTTPClient,
  ChecksumError,
  DownloadBusyError,
  DownloadError,
  type DownloadProgress,
  HTTPStatusError,
  NetworkError,
  ResponseTooLargeError,
} from "../../../http/mod.ts";
import { encodeHex, sha256 } from "../../support/digest.ts";
import { type FileServer, serveFile } from "../../support/file_server.ts";
import { serve } from "../../support/http_servers.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { captureReports } from "../../support/captured_console.ts";

const needs: Deno.PermissionName[] = ["net", "read", "write"];
const make = (seed: number, length = 600_000) =>
  new Uint8Array(length).map((_, index) => (index * 7919 * seed) >> 3);
const contents = make(1);
const other = make(2);
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

/** Leaves an unfinished download of 200,000 bytes. */
async function leavePart(
  server: FileServer,
  path: string,
  bytes = 200_000,
): Promise<void> {
  server.options.breakAfter = [bytes];
  await using client = new AsyncHTTPClient();
  await assertRejects(
    () => asyncDownload(`${server.url}/f`, path, { client }),
    NetworkError,
  );
  assertEquals(openFiles(`${path}.part`), 0);
  await assertNothingLeft(client, server);
  assertEquals((await Deno.stat(`${path}.part`)).size, bytes);
}

/** Continues it and checks that the file is that of the server now. */
async function finish(
  server: FileServer,
  path: string,
  options = {},
): Promise<number> {
  await using client = new AsyncHTTPClient({ retryPolicy: fast });
  const result = await asyncDownload(`${server.url}/f`, path, {
    client,
    ...options,
  });
  const expected = server.options.contents;
  assertEquals(
    encodeHex(await sha256(await Deno.readFile(path))),
    encodeHex(await sha256(expected)),
  );
  assertEquals([result.bytes, result.checksum], [
    expected.length,
    encodeHex(await sha256(expected)),
  ]);
  await assertNothingLeft(client);
  return result.resumedFrom;
}

for (
  const [what, change] of [
    ["the ETag has changed", { contents: other, etag: '"v2"' }],
    ["the ETag has become weak", { contents: other, etag: 'W/"v1"' }],
    ["the server ignores Range now", { contents: other, ranges: false }],
    ["the server answers 206 with another range", {
      respond: (response, index) => {
        if (index === 1) {
          response.headers["Content-Range"] = `bytes 199999-599998/600000`;
        }
      },
    }],
    ["the server answers 206 with another ETag", {
      respond: (response, index) => {
        if (index === 1) response.headers["ETag"] = '"v9"';
      },
    }],
    ["the server answers 206 with another size", {
      respond: (response, index) => {
        if (index === 1) {
          response.headers["Content-Range"] = `bytes 200000-599999/600001`;
        }
      },
    }],
    ["the server answers 412", {
      respond: (response, index) => {
        if (index === 1) {
          Object.assign(response, {
            status: 412,
            body: new Uint8Array(),
            headers: { "Content-Length": "0" },
          });
        }
      },
    }],
    ["the server answers 416 though bytes are missing", {
      respond: (response, index) => {
        if (index === 1) {
          Object.assign(response, {
            status: 416,
            body: new Uint8Array(),
            headers: { "Content-Length": "0", "Content-Range": "bytes */100" },
          });
        }
      },
    }],
  ] as [string, Partial<FileServer["options"]>][]
) {
  testWith(
    needs,
    `asyncDownload() begins from zero rather than corrupting when ${what}`,
    () =>
      inDirectory(async (directory) => {
        await using server = serveFile({ contents });
        await leavePart(server, `${directory}/f`);
        Object.assign(server.options, { breakAfter: [] }, change);
        assertEquals(await finish(server, `${directory}/f`), 0);
        assertEquals(await names(directory), ["f"]);
      }),
  );
}

testWith(
  needs,
  "asyncDownload() continues when the size behind the slash is unknown",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await leavePart(server, `${directory}/f`);
      server.options.breakAfter = [];
      server.options.respond = (response) =>
        response.headers["Content-Range"] = "bytes 200000-599999/*";
      assertEquals(await finish(server, `${directory}/f`), 200_000);
    }),
);

testWith(
  needs,
  "asyncDownload() is done when everything was there already (416 at full size)",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await leavePart(server, `${directory}/f`);
      await Deno.writeFile(`${directory}/f.part`, contents);
      server.options.breakAfter = [];
      assertEquals(await finish(server, `${directory}/f`), contents.length);
      assertEquals(server.ranges.at(-1), `bytes=${contents.length}-`);
    }),
);

testWith(
  needs,
  "asyncDownload() does not trust a part whose note is missing, cut short or of a longer file",
  () =>
    inDirectory(async (directory) => {
      for (
        const note of [
          undefined,
          '{"validator": "\\"v',
          '{"validator":"\\"v1\\"","size":100}',
          '{"validator":"\\"v1\\"","ranges":[[5,1]],"size":600000}',
        ]
      ) {
        await using server = serveFile({ contents });
        await Deno.writeFile(`${directory}/f.part`, other.subarray(0, 1000));
        if (note !== undefined) {
          await Deno.writeTextFile(`${directory}/f.part.json`, note);
        }
        assertEquals(await finish(server, `${directory}/f`), 0, note);
      }
      await using server = serveFile({ contents });
      await leavePart(server, `${directory}/f`);
      server.options.breakAfter = [];
      assertEquals(
        await finish(server, `${directory}/f`, { resume: false }),
        0,
      );
    }),
);

testWith(
  needs,
  "asyncDownload() does not rename when fewer or more bytes come than promised",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({
        contents,
        breakAfter: [1000, 1000, 1000, 1000, 1000, 1000, 1000],
        etag: null,
      });
      await using client = new AsyncHTTPClient({
        retryPolicy: { ...fast, maxRetries: 2 },
      });
      await assertRejects(
        () => asyncDownload(`${server.url}/f`, `${directory}/f`, { client }),
        NetworkError,
      );
      await assertNothingLeft(client, server);
      assertEquals(await names(directory), []);
      // Within a range a server may send more than it says, unseen by HTTP.
      await using long = serveFile({ contents });
      await leavePart(long, `${directory}/g`);
      long.options.breakAfter = [];
      long.options.respond = (response) => {
        response.body = new Uint8Array(500_000);
        response.headers["Content-Length"] = "500000";
      };
      await assertRejects(
        () => asyncDownload(`${long.url}/g`, `${directory}/g`),
        DownloadError,
        "more than the 600000 bytes",
      );
      assertEquals((await names(directory)).includes("g"), false);
    }),
);

testWith(
  needs,
  "asyncDownload() reports progress without a total when there is no Content-Length, or the body is compressed",
  () =>
    inDirectory(async (directory) => {
      const zipped = await new Response(
        new Blob([contents]).stream().pipeThrough(
          new CompressionStream("gzip"),
        ),
      ).bytes();
      await using server = serve((request) =>
        request.url.endsWith("/gzip")
          ? new Response(zipped, {
            headers: {
              "content-encoding": "gzip",
              "content-length": String(zipped.length),
              etag: '"v1"',
            },
          })
          : new Response(new Blob([contents]).stream())
      );
      for (const path of ["gzip", "chunked"]) {
        const seen: DownloadProgress[] = [];
        const { bytes } = await asyncDownload(
          `${server.url}/${path}`,
          `${directory}/${path}`,
          { onProgress: (progress) => seen.push(progress) },
        );
        assertEquals(bytes, contents.length);
        assertEquals(await Deno.readFile(`${directory}/${path}`), contents);
        assert(
          seen.slice(0, -1).every(({ total, fraction }) =>
            total === undefined && fraction === undefined
          ),
        );
        assertEquals(seen.at(-1)!.fraction, 1);
      }
    }),
);

testWith(
  needs,
  "asyncDownload() gives up when the file on the server is another one each time",
  () =>
    inDirectory(async (directory) => {
      let version = 0;
      await using server = serveFile({
        contents,
        breakAfter: Array(100).fill(1000),
        respond: (response) => response.headers["ETag"] = `"${version++}"`,
      });
      await using client = new AsyncHTTPClient({
        retryPolicy: { ...fast, maxRetries: 50 },
      });
      const error = await assertRejects(() =>
        asyncDownload(`${server.url}/f`, `${directory}/f`, { client })
      );
      assert(error instanceof DownloadError || error instanceof NetworkError);
      await assertNothingLeft(client, server);
      assert(server.ranges.length < 20, String(server.ranges.length));
    }),
);

testWith(
  needs,
  "asyncDownload() fails before it asks when the destination cannot be written",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await assertRejects(
        () => asyncDownload(`${server.url}/f`, `${directory}/none/f`),
        Deno.errors.NotFound,
      );
      await Deno.writeTextFile(`${directory}/there`, "old");
      await assertRejects(() =>
        asyncDownload(`${server.url}/f`, `${directory}/there`, {
          overwrite: false,
        }), Deno.errors.AlreadyExists);
      assertEquals(server.ranges.length, 0);
      assertEquals(await Deno.readTextFile(`${directory}/there`), "old");
      await asyncDownload(`${server.url}/f`, `${directory}/new`, {
        overwrite: false,
      });
      assertEquals(await names(directory), ["new", "there"]);
    }),
);

testWith(
  [...needs, "run"],
  "asyncDownload() neither writes through a link at its unfinished files nor waits on a FIFO",
  async () => {
    if (Deno.build.os === "windows") return;
    await inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await using client = new AsyncHTTPClient();
      const outside = `${directory}/outside`;
      const path = `${directory}/file`;
      await Deno.writeTextFile(outside, "keep");
      for (const segments of [1, 3]) {
        for (const ending of [".part", ".part.json", ".part.json.tmp"]) {
          await Deno.symlink(outside, path + ending);
        }
        await asyncDownload(`${server.url}/f`, path, { client, segments });
        assertEquals(await Deno.readTextFile(outside), "keep");
        assert((await Deno.lstat(path)).isFile);
        assertEquals(await Deno.readFile(path), contents);
        await Deno.remove(path);
        await Deno.remove(`${path}.part.json.tmp`).catch(() => {});
      }
      assertEquals(await names(directory), ["outside"]);

      const fifo = (name: string) =>
        new Deno.Command("mkfifo", { args: [name] }).output();
      await fifo(`${path}.part.json`);
      await asyncDownload(`${server.url}/f`, path, { client });
      assertEquals(await names(directory), ["file", "outside"]);
      await fifo(`${path}.part`);
      await assertRejects(
        () =>
          asyncDownload(`${server.url}/f`, path, { client, overwrite: true }),
        TypeError,
        `${path}.part is no regular file`,
      );
    });
  },
);

testWith(
  needs,
  "asyncDownload() reports a disk that gets full, and leaves nothing on it",
  async () => {
    if (Deno.build.os !== "linux") return;
    await inDirectory(async (directory) => {
      await using server = serveFile({ contents: new Uint8Array(2_000_000) });
      using full = await Deno.open("/dev/full", { write: true });
      const { prototype } = Deno.FsFile;
      const { write } = prototype;
      let writes = 0;
      prototype.write = function (bytes) {
        return write.call(writes++ === 0 ? this : full, bytes);
      };
      let error: Error;
      try {
        error = await assertRejects(
          () => asyncDownload(`${server.url}/f`, `${directory}/f`),
          Error,
          "No space left",
        );
      } finally {
        prototype.write = write;
      }
      assert(!(error instanceof NetworkError), String(error));
      assertEquals(await names(directory), []);
    });
  },
);

testWith(
  needs,
  "asyncDownload() in segments fetches ranges side by side and puts the file together",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      const seen: number[] = [];
      assertEquals(
        await finish(server, `${directory}/f`, {
          segments: 4,
          onProgress: ({ bytes }: DownloadProgress) => seen.push(bytes),
        }),
        0,
      );
      assertEquals(server.ranges.length, 4);
      assertEquals(
        server.ranges.filter((range) => range === undefined).length,
        1,
      );
      assertEquals(seen.at(-1), contents.length);
      assert(seen.every((bytes) => bytes <= contents.length));
      assertEquals(await names(directory), ["f"]);
    }),
);

testWith(
  needs,
  "asyncDownload() in segments continues one that breaks off",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({
        contents,
        breakAfter: [undefined, 10_000, 20_000],
      });
      assertEquals(await finish(server, `${directory}/f`, { segments: 4 }), 0);
      assertEquals(server.ranges.length, 6);
    }),
);

testWith(
  needs,
  "asyncDownload() in segments aborts the others when one fails, and a later call fetches only what is missing",
  () =>
    inDirectory(async (directory) => {
      const gate = Promise.withResolvers<void>();
      await using server = serveFile({
        contents,
        stallAfter: [100_000, 100_000, 100_000, undefined],
        before: async (index) => {
          if (index === 3) await gate.promise;
        },
        respond: (response, index) => {
          if (index === 3) {
            Object.assign(response, {
              status: 500,
              body: new Uint8Array(),
              headers: { "Content-Length": "0" },
            });
          }
        },
      });
      await using client = new AsyncHTTPClient();
      await assertRejects(() =>
        asyncDownload(`${server.url}/f`, `${directory}/f`, {
          client,
          segments: 4,
          onProgress: ({ bytes }) => bytes >= 300_000 && gate.resolve(),
        }), HTTPStatusError);
      assertEquals(openFiles(directory), 0);
      await assertNothingLeft(client, server);
      const { ranges } = JSON.parse(
        await Deno.readTextFile(`${directory}/f.part.json`),
      );
      const there = ranges.reduce(
        (sum: number, [from, to]: number[]) =>
          sum + to! - from!,
        0,
      );
      Object.assign(server.options, { stallAfter: [], respond: undefined });
      assertEquals(
        await finish(server, `${directory}/f`, { segments: 4 }),
        there,
      );
      assertEquals(await names(directory), ["f"]);
    }),
);

testWith(
  needs,
  "asyncDownload() in segments falls back to the whole on a server without ranges, in silence",
  () =>
    inDirectory(async (directory) => {
      using reports = captureReports();
      await using honest = serveFile({ contents, ranges: false });
      await finish(honest, `${directory}/f`, { segments: 4 });
      assertEquals(honest.ranges, [undefined]);
      await using liar = serveFile({
        contents,
        ranges: false,
        respond: (response) => response.headers["Accept-Ranges"] = "bytes",
      });
      await finish(liar, `${directory}/g`, { segments: 4 });
      assertEquals(liar.ranges.at(-1), undefined);
      await using changing = serveFile({
        contents,
        respond: (response, index) => {
          if (index === 2) response.headers["ETag"] = '"v2"';
        },
      });
      await finish(changing, `${directory}/h`, { segments: 4 });
      assertEquals(await names(directory), ["f", "g", "h"]);
      assertEquals(reports.lines, []);
    }),
);

testWith(
  needs,
  "asyncDownload() with a runner of one slot downloads in segments all the same, and cancels with it",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      await using runner = new AsyncRunner({ maxWorkers: 1 });
      await Promise.all([
        finish(server, `${directory}/f`, { segments: 3, runner }),
        finish(server, `${directory}/g`, { runner }),
      ]);
      server.options.stallAfter = Array(100).fill(1000);
      const controller = new AbortController();
      const reason = new Error("enough");
      const pending = asyncDownload(`${server.url}/f`, `${directory}/h`, {
        runner,
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      });
      assertEquals(await pending.catch((error) => error), reason);
      assertEquals(openFiles(directory), 0);
      // The file is free again.
      await assertRejects(
        () =>
          asyncDownload(`${server.url}/f`, `${directory}/h`, {
            timeout: { idle: 20 },
            retryPolicy: false,
          }),
        Error,
        "timed out",
      );
    }),
);

testWith(
  ["net", "read", "write", "run"],
  "asyncDownload() resumes after its process was killed",
  () =>
    inDirectory(async (directory) => {
      for (const segments of [1, 3]) {
        await using server = serveFile({
          contents: make(3, 3_000_000),
          stallAfter: [2_000_000, 600_000, 600_000],
        });
        const path = `${directory}/f${segments}`;
        const script = `
        import { asyncDownload } from ${
          JSON.stringify(new URL("../../../http/mod.ts", import.meta.url).href)
        };
        let bytes = 0;
        setInterval(() => console.log(bytes), 20);
        await asyncDownload(${JSON.stringify(server.url)}, ${
          JSON.stringify(path)
        }, { segments: ${segments}, onProgress: (p) => bytes = p.bytes });
      `;
        await Deno.writeTextFile(`${directory}/run.ts`, script);
        const child = new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--allow-all",
            "--no-check",
            "--config",
            fromFileUrl(new URL("../../../deno.json", import.meta.url)),
            `${directory}/run.ts`,
          ],
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
        let last = "0";
        let repeated = 0;
        for await (
          const line of child.stdout.pipeThrough(new TextDecoderStream())
            .pipeThrough(new TextLineStream())
        ) {
          repeated = line === last && line !== "0" ? repeated + 1 : 0;
          last = line;
          if (repeated > 3) break;
        }
        child.kill("SIGKILL");
        await child.status;
        Object.assign(server.options, { stallAfter: [] });
        const resumedFrom = await finish(server, path, { segments });
        if (segments === 1) assert(resumedFrom > 0, "nothing was left");
        await Deno.remove(`${directory}/run.ts`);
      }
      assertEquals(await names(directory), ["f1", "f3"]);
    }),
);

testWith(
  ["net", "read", "write", "run"],
  "asyncDownload() refuses a destination that another process downloads to",
  () =>
    inDirectory(async (directory) => {
      const held = await Deno.open(`${directory}/f.part`, {
        create: true,
        write: true,
      });
      const script = `
      import { asyncDownload } from ${
        JSON.stringify(new URL("../../../http/mod.ts", import.meta.url).href)
      };
      console.log(await asyncDownload("http://127.0.0.1:1/", ${
        JSON.stringify(`${directory}/f`)
      }).catch((error) => error.name));
    `;
      await Deno.writeTextFile(`${directory}/run.ts`, script);
      await held.lock(true);
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--allow-all",
          "--no-check",
          "--config",
          fromFileUrl(new URL("../../../deno.json", import.meta.url)),
          `${directory}/run.ts`,
        ],
        stderr: "inherit",
      }).output();
      held.close();
      assertEquals(
        new TextDecoder().decode(stdout).trim(),
        DownloadBusyError.name,
      );
    }),
);

testWith(
  needs,
  "asyncDownload() begins anew when the unfinished file was cut below the ranges that are noted",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      const path = `${directory}/f`;
      await Deno.writeFile(`${path}.part`, contents.subarray(0, 10));
      await Deno.writeTextFile(
        `${path}.part.json`,
        JSON.stringify({
          validator: '"v1"',
          size: contents.length,
          ranges: [[0, 400_000]],
        }),
      );
      const { resumedFrom } = await asyncDownload(`${server.url}/f`, path, {
        segments: 2,
      });
      assertEquals(resumedFrom, 0);
      assertEquals(await Deno.readFile(path), contents);
    }),
);

testWith(
  needs,
  "asyncDownload() refuses to continue a file larger than maxBytes, in segments, whole or at its end",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      const path = `${directory}/f`;
      const size = contents.length;
      for (
        const [there, state] of [
          [200_000, { size, ranges: [[0, 200_000]] }],
          [200_000, { size }],
          [size, {}],
        ] as const
      ) {
        await Deno.writeFile(`${path}.part`, contents.subarray(0, there));
        await Deno.writeTextFile(
          `${path}.part.json`,
          JSON.stringify({ validator: '"v1"', ...state }),
        );
        await assertRejects(
          () => asyncDownload(`${server.url}/f`, path, { maxBytes: 1000 }),
          ResponseTooLargeError,
        );
        assertEquals(await names(directory), ["f.part", "f.part.json"]);
      }
    }),
);

testWith(
  needs,
  "asyncDownload() leaves the destination alone when another process finishes between its open and its lock",
  () =>
    inDirectory(async (directory) => {
      await using server = serveFile({ contents });
      const path = `${directory}/f`;
      await Deno.writeTextFile(`${path}.part`, "the other one's");
      const { tryLock } = Deno.FsFile.prototype;
      Deno.FsFile.prototype.tryLock = async function (exclusive) {
        Deno.FsFile.prototype.tryLock = tryLock;
        await Deno.rename(`${path}.part`, path);
        return await tryLock.call(this, exclusive);
      };
      try {
        await assertRejects(
          () =>
            asyncDownload(`${server.url}/f`, path, {
              checksum: "0".repeat(64),
            }),
          ChecksumError,
        );
      } finally {
        Deno.FsFile.prototype.tryLock = tryLock;
      }
      assertEquals(await Deno.readTextFile(path), "the other one's");
    }),
);
