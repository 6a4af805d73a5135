/**
 * Downloads whose destination or whose answers cannot be used: refused early, clearly, and without
 * losing what is there.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { AsyncRunner } from "../../../runner/mod.ts";
import {
  asyncDownload,
  AsyncHTTPClient,
  DownloadError,
  type DownloadOptions,
  type FetchFunction,
  HTTPStatusError,
} from "../../../http/mod.ts";
import { testWith } from "../../support/permissions.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

const needs: Deno.PermissionName[] = ["read", "write"];
const url = "http://h/file?token=SECRET";
const retryPolicy = { baseDelay: 0, maxRetries: 3 };

/** Answers by `answer`, which is given the asked range, and counts. */
function client(answer: (range: string | null, index: number) => Response) {
  const ranges: (string | null)[] = [];
  const fetch: FetchFunction = (_url, { headers }) => {
    const range = new Headers(headers).get("range");
    ranges.push(range);
    return Promise.resolve(answer(range, ranges.length - 1));
  };
  return { ranges, client: new AsyncHTTPClient({ fetch, retryPolicy }) };
}

function part(
  body: string | null,
  range: string,
  etag = '"1"',
): Response {
  return new Response(body, {
    status: 206,
    headers: { "content-range": `bytes ${range}`, etag },
  });
}

/** A body that breaks off. */
function broken(text: string): Response {
  return new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
      },
      pull(controller) {
        controller.error(new TypeError("error reading a body"));
      },
    }, { highWaterMark: 0 }),
    { headers: { etag: '"1"', "content-length": "10" } },
  );
}

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name)
    .sort();
}

testWith(
  needs,
  "asyncDownload() refuses a directory as its destination before it asks for anything",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await Deno.mkdir(`${directory.root}/there`);
    await Deno.symlink(`${directory.root}/there`, `${directory.root}/link`);
    for (const name of ["there", "there/", "none/", "link", "."]) {
      const { client: asked, ranges } = client(() => new Response("x"));
      for (const overwrite of [true, false]) {
        await assertRejects(
          () =>
            asyncDownload(url, `${directory.root}/${name}`, {
              client: asked,
              overwrite,
            }),
          TypeError,
          "destination must be the path of a file",
        );
      }
      assertEquals(ranges, []);
    }
    assertEquals(await names(directory.root), ["link", "there"]);
    assertEquals(await names(`${directory.root}/there`), []);
  },
);

testWith(
  needs,
  "asyncDownload() takes a 206 with all of it, and refuses one with a part that it did not ask for",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const all = client(() => part("0123456789", "0-9/10"));
    assertEquals(
      (await asyncDownload(url, path, { client: all.client })).bytes,
      10,
    );
    const some = client(() => part("01234", "0-4/10"));
    const error = await assertRejects(
      () => asyncDownload(url, `${directory.root}/g`, { client: some.client }),
      DownloadError,
      "answered 206, a part, when it was asked for the whole",
    );
    assert(!Deno.inspect(error).includes("SECRET"));
    assertEquals(some.ranges.length, 1);
    assertEquals(await names(directory.root), ["f"]);
  },
);

testWith(
  needs,
  "asyncDownload() refuses a 206 with more bytes than its Content-Range says, and keeps none of it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const lying = client((_range, index) =>
      index === 0 ? broken("01234") : part("56789", "5-7/10")
    );
    await assertRejects(
      () => asyncDownload(url, path, { client: lying.client }),
      DownloadError,
      "more than the 8 bytes",
    );
    assertEquals(lying.ranges, [null, "bytes=5-"]);
    assertEquals(await names(directory.root), []);
  },
);

testWith(
  needs,
  "asyncDownload() goes on at once, without a retry, when a range is answered with less of it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const sparing = client((range, index) => {
      if (index === 0) return broken("0123");
      const at = Number(/\d+/.exec(range ?? "")?.[0]);
      return part(`${at}`, `${at}-${at}/10`);
    });
    // One retry for the connection that broke off; six rounds follow.
    const { bytes } = await asyncDownload(url, path, {
      client: sparing.client,
      retryPolicy: { maxRetries: 1, baseDelay: 0, budget: { minimum: 1 } },
    });
    assertEquals(bytes, 10);
    assertEquals(await Deno.readTextFile(path), "0123456789");
    assertEquals(sparing.ranges.length, 7);
  },
);

testWith(
  needs,
  "asyncDownload() in segments takes no range that is compressed, and fetches the whole then",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const whole = "0123456789".repeat(30_000);
    const cut = client((range) => {
      const [, start, end] = /(\d+)-(\d+)/.exec(range ?? "") ?? [];
      return range === null
        ? new Response(whole, {
          headers: {
            etag: '"1"',
            "accept-ranges": "bytes",
            "content-length": "300000",
          },
        })
        : new Response(whole.slice(Number(start), Number(end) + 1), {
          status: 206,
          headers: {
            etag: '"1"',
            "content-range": `bytes ${start}-${end}/300000`,
            "content-encoding": "gzip",
          },
        });
    });
    await asyncDownload(url, path, { client: cut.client, segments: 3 });
    assertEquals(await Deno.readTextFile(path), whole);
    assertEquals(cut.ranges.at(-1), null);
  },
);

testWith(
  needs,
  "asyncDownload() names an option that it does not know, and one that is wrong",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    for (
      const [options, message] of [
        [{ maxbytes: 5 }, 'asyncDownload() has no option "maxbytes"; it takes'],
        [{ body: "x" }, 'asyncDownload() has no option "body"; it takes'],
        [{ segments: 0 }, "segments must be a positive integer, got 0"],
        [{ resume: 1 }, "resume must be true or false, got 1"],
        [{ headers: { Range: "x" } }, "headers must not set range"],
        [{ client: {} }, "client must be an AsyncHTTPClient"],
      ] as const
    ) {
      const error = await assertRejects(() =>
        asyncDownload(url, path, options as DownloadOptions)
      );
      assertStringIncludes(String(error), message);
    }
    assertEquals(await names(directory.root), []);
  },
);

testWith(
  needs,
  "asyncDownload() and its segments reject with the body's start and every attempt of a status",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const down = client(() => new Response("no room", { status: 503 }));
    const error = await assertRejects(
      () => asyncDownload(url, `${directory.root}/f`, { client: down.client }),
      HTTPStatusError,
    );
    assertEquals([error.attempts, error.failures.length, error.body], [
      4,
      3,
      "no room",
    ]);
    const whole = "x".repeat(300_000);
    const cut = client((range) =>
      range === null
        ? new Response(whole, {
          headers: {
            etag: '"1"',
            "accept-ranges": "bytes",
            "content-length": "300000",
          },
        })
        : new Response("not you", { status: 403 })
    );
    const refused = await assertRejects(
      () =>
        asyncDownload(url, `${directory.root}/g`, {
          client: cut.client,
          segments: 3,
        }),
      HTTPStatusError,
    );
    assertEquals([refused.status, refused.body], [403, "not you"]);
  },
);

testWith(
  needs,
  "asyncDownload() keeps an earlier part when it is aborted in the line for a slot or while it reads that part",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const unfinished = client(() => broken("01234"));
    await assertRejects(() =>
      asyncDownload(url, path, {
        client: unfinished.client,
        retryPolicy: false,
      })
    );
    const left = ["f.part", "f.part.json"];
    assertEquals(await names(directory.root), left);
    const idle = client(() => new Response("x"));
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    const gate = Promise.withResolvers<void>();
    const blocker = runner.submit(() => gate.promise);
    const caller = new AbortController();
    const queued = asyncDownload(url, path, {
      client: idle.client,
      runner,
      signal: caller.signal,
    });
    const fresh = asyncDownload(url, `${directory.root}/g`, {
      client: idle.client,
      runner,
      signal: caller.signal,
    });
    const reason = new Error("enough");
    setTimeout(() => caller.abort(reason), 10);
    // Both are heard of from the start: either may be the first to end.
    const ends = [queued, fresh].map((call) => assertRejects(() => call));
    assertEquals(await Promise.all(ends), [reason, reason]);
    gate.resolve();
    await blocker;
    assertEquals(await names(directory.root), left);
    // A signal that aborts at the moment when the part is read.
    const reading = new AbortController();
    const read = Deno.FsFile.prototype.read;
    Deno.FsFile.prototype.read = function (buffer) {
      reading.abort(reason);
      // The rest is still to be read when the abort is seen.
      return read.call(this, buffer.subarray(0, 1));
    };
    try {
      const call = asyncDownload(url, path, {
        client: idle.client,
        signal: reading.signal,
      });
      assertEquals(await assertRejects(() => call), reason);
    } finally {
      Deno.FsFile.prototype.read = read;
    }
    assertEquals(await names(directory.root), left);
    assertEquals(idle.ranges, []);
  },
);

testWith(
  needs,
  "asyncDownload() asks for no range under a weak ETag, nor under a date too close to the response",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const date = "Tue, 24 Nov 2026 12:00:00 GMT";
    for (
      const headers of [
        { etag: 'W/"1"' },
        { "last-modified": date, date },
      ]
    ) {
      const weak = client((_range, index) => {
        if (index > 0) return new Response("0123456789");
        const { body } = broken("01234");
        return new Response(body, {
          headers: { ...headers, "content-length": "10" },
        });
      });
      assertEquals(
        (await asyncDownload(url, path, { client: weak.client })).resumedFrom,
        0,
      );
      assertEquals(weak.ranges, [null, null]);
      assertEquals(await Deno.readTextFile(path), "0123456789");
    }
  },
);

testWith(
  needs,
  "asyncDownload() synchronises the file before it has its final name",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const { sync } = Deno.FsFile.prototype;
    const seen: string[][] = [];
    Deno.FsFile.prototype.sync = async function () {
      if (!(await this.stat()).isDirectory) {
        seen.push(await names(directory.root));
      }
      return await sync.call(this);
    };
    try {
      const whole = client(() => new Response("0123456789"));
      await asyncDownload(url, path, { client: whole.client });
    } finally {
      Deno.FsFile.prototype.sync = sync;
    }
    assertEquals(seen, [["f.part"]]);
  },
);
