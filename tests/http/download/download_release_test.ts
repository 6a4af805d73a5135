/**
 * What a download that fails or is aborted lets go of, and how often it tries: counted exactly.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  asyncDownload,
  AsyncHTTPClient,
  type DownloadOptions,
  HTTPStatusError,
  NetworkError,
} from "../../../http/mod.ts";
import { PartFile } from "../../../http/download/part_file.ts";
import { PartWriter } from "../../../http/download/part_writer.ts";
import {
  AsyncRunner,
  type TaskContext,
  type TaskRunner,
} from "../../../runner/mod.ts";
import {
  type FileServerOptions,
  serveFile,
} from "../../support/file_server.ts";
import { assertNothingLeft } from "../../support/idle_client.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { pause } from "../../support/real_time.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

const needs: Deno.PermissionName[] = ["net", "read", "write"];
const contents = new Uint8Array(600_000).map((_, index) => (index * 7919) >> 3);
const fast = { baseDelay: 0, budget: false } as const;

/** Makes each write take its time, so that what is not waited for is still open. */
function slowDisk(): Disposable {
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = async function (bytes) {
    await pause(20);
    return await write.call(this, bytes);
  };
  return {
    [Symbol.dispose]() {
      Deno.FsFile.prototype.write = write;
    },
  };
}

// What is let go of

for (
  const [what, segments] of [["", 1], [" in segments", 3]] as const
) {
  testWith(
    needs,
    `asyncDownload()${what} has closed its files and sockets when it rejects, in a runner or not`,
    async () => {
      for (const how of ["signal", "runner's signal", "shutdown", "timeout"]) {
        await using directory = await TemporaryDirectory.create();
        const path = `${directory.root}/f`;
        using _ = slowDisk();
        await using server = serveFile({
          contents,
          stallAfter: Array(9).fill(100_000),
        });
        const caller = new AbortController();
        const reason = new Error("enough");
        const runner = new AsyncRunner({
          maxWorkers: 4,
          ...(how === "runner's signal"
            ? { signal: caller.signal }
            : undefined),
          ...(how === "timeout" ? { timeout: 300 } : undefined),
        });
        await using client = new AsyncHTTPClient({
          maxConnections: 4,
          timeout: { idle: 60_000 },
        });
        let ended: Promise<unknown> | undefined;
        const pending = asyncDownload(`${server.url}/f`, path, {
          client,
          segments,
          ...(how === "signal" ? { signal: caller.signal } : { runner }),
          onProgress: ({ bytes }) => {
            if (bytes < segments * 100_000 || how === "timeout") return;
            if (how === "shutdown") ended ??= runner.shutdown({ timeout: 0 });
            else caller.abort(reason);
          },
        });
        const error = await assertRejects(() => pending);
        // At once, not a moment later.
        assertEquals(openFiles(`${path}.part`), 0, how);
        await assertNothingLeft(client, server);
        if (how !== "shutdown" && how !== "timeout") {
          assertEquals(error, reason);
        }
        await ended;
        await runner.shutdown();
        // Free again, and nothing writes to it any more.
        server.options.stallAfter = [];
        await asyncDownload(`${server.url}/f`, path, { client });
        assertEquals(await Deno.readFile(path), contents);
      }
    },
  );
}

testWith(
  needs,
  "asyncDownload() ends when one of its segments' tasks is ended for itself",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    await using server = serveFile({
      contents,
      stallAfter: Array(9).fill(100_000),
    });
    await using client = new AsyncHTTPClient();
    await using runner = new AsyncRunner({ maxWorkers: 4 });
    const reason = new Error("this one only");
    const children: { cancel(reason: unknown): void }[] = [];
    const pending = asyncDownload(`${server.url}/f`, path, {
      client,
      segments: 3,
      onProgress: ({ bytes }) =>
        bytes === 300_000 && children[1]!.cancel(reason),
      runner: noting(runner, children),
    });
    assertEquals(await assertRejects(() => pending), reason);
    assertEquals(openFiles(`${path}.part`), 0);
    await assertNothingLeft(client, server);
  },
);

testWith(
  needs,
  "PartFile.remove() frees the name and the lock, even when it fails",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    for (const fails of [false, true]) {
      const part = await PartFile.open(path);
      await Deno.link(part.path, `${directory.root}/same`);
      if (fails) {
        await Deno.mkdir(`${path}.part.json/no/file`, { recursive: true });
      }
      if (fails) await assertRejects(() => part.remove());
      else await part.remove();
      // Another process would ask for the lock of the same file.
      using same = await Deno.open(`${directory.root}/same`, { write: true });
      assertEquals(await same.tryLock(true), true);
      same.close();
      await Deno.remove(`${directory.root}/same`);
      const next = await PartFile.open(path);
      next.close();
      // Twice does no harm.
      await part.remove();
      await part.removeIfEmpty();
      part.close();
      assertEquals(openFiles(part.path), 0);
    }
  },
);

testWith(
  needs,
  "asyncDownload() rejects with the first failure when removing its unfinished file fails too, and tells that on the console",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    await using client = new AsyncHTTPClient({
      fetch: async () => {
        // What cannot be removed as the note of a download.
        await Deno.mkdir(`${path}.part.json/no/file`, { recursive: true });
        return new Response("no room", { status: 503 });
      },
    });
    const lines: unknown[] = [];
    const { error } = console;
    console.error = (line: unknown) => void lines.push(line);
    try {
      await assertRejects(
        () => asyncDownload("http://h/f", path, { client }),
        HTTPStatusError,
      );
    } finally {
      console.error = error;
    }
    assertEquals(lines, [
      "The unfinished file of a download was not removed:",
    ]);
    assertEquals(openFiles(`${path}.part`), 0);
    await assertNothingLeft(client);
  },
);

testWith(
  needs,
  "PartFile.writeState() leaves no temporary file when it fails",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const part = await PartFile.open(path);
    const state = { validator: '"1"', size: 10 };
    await Deno.mkdir(`${path}.part.json/no/file`, { recursive: true });
    await assertRejects(() => part.writeState(state));
    part.close();
    const names = (await Array.fromAsync(Deno.readDir(directory.root)))
      .map(({ name }) => name).sort();
    assertEquals(names, ["f.part", "f.part.json"]);
  },
);

testWith(
  needs,
  "asyncDownload() leaves the lock of the part that it removes to the next one",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    await using server = serveFile({
      contents,
      respond: (response, index) => {
        if (index === 0) response.status = 404;
      },
    });
    await using client = new AsyncHTTPClient();
    await assertRejects(
      () => asyncDownload(`${server.url}/f`, path, { client }),
      HTTPStatusError,
    );
    assertEquals(openFiles(`${path}.part`), 0);
    await assertNothingLeft(client, server);
    await asyncDownload(`${server.url}/f`, path, { client });
    assertEquals(await Deno.readFile(path), contents);
  },
);

testWith(
  needs,
  "PartWriter.receive() that fails has closed the file through which it synchronises ahead",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = `${directory.root}/f`;
    const failure = new Error("disk full");
    using file = await Deno.open(path, { create: true, write: true });
    let room = 16 * 1024 * 1024;
    const full = {
      write: (bytes: Uint8Array) => {
        if ((room -= bytes.byteLength) < 0) return Promise.reject(failure);
        return file.write(bytes);
      },
    } as Deno.FsFile;
    const writer = new PartWriter(full, { path });
    // The last block fails, while the disk is still at what came before.
    const blocks = [new Uint8Array(16 * 1024 * 1024), new Uint8Array(10)];
    const error = await assertRejects(() =>
      writer.receive(ReadableStream.from(blocks), () => {})
    );
    assertEquals(error, failure);
    assertEquals(openFiles(path), 1, "but for the test's own");
  },
);

/** The runner, noting the children that its tasks submit. */
function noting(
  runner: TaskRunner,
  children: { cancel(reason: unknown): void }[],
): TaskRunner {
  const noted = (context: TaskContext) =>
    new Proxy(context, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => {
          const result = value.apply(target, given);
          if (name === "submit") children.push(result);
          return result;
        };
      },
    });
  return {
    get isFull() {
      return runner.isFull;
    },
    ready: (signal) => runner.ready(signal),
    submit: (task, options) =>
      runner.submit((context) => task(noted(context)), options),
  };
}

// How often

/** Downloads until it fails, and counts the requests. */
async function requestsUntilFailure(
  server: Partial<FileServerOptions>,
  options: DownloadOptions,
): Promise<number> {
  await using directory = await TemporaryDirectory.create();
  await using source = serveFile({ contents, ...server });
  await using client = new AsyncHTTPClient();
  await assertRejects(
    () =>
      asyncDownload(`${source.url}/f`, `${directory.root}/f`, {
        client,
        ...options,
      }),
    NetworkError,
  );
  assertEquals(openFiles(`${directory.root}/f.part`), 0);
  await assertNothingLeft(client, source);
  return source.ranges.length;
}

testWith(
  needs,
  "asyncDownload() makes exactly maxRetries retries in a row of a transfer that breaks off",
  async () => {
    const never = Array(99).fill(0);
    for (const maxRetries of [0, 1, 2, 5]) {
      const retryPolicy = { ...fast, maxRetries };
      assertEquals(
        await requestsUntilFailure({ breakAfter: never }, { retryPolicy }),
        1 + maxRetries,
      );
      // What has come cannot be continued, so it is nothing gained.
      assertEquals(
        await requestsUntilFailure({
          breakAfter: Array(99).fill(1000),
          etag: null,
        }, { retryPolicy }),
        1 + maxRetries,
      );
    }
    // Whoever gets on begins to count again, with this failure.
    assertEquals(
      await requestsUntilFailure({ breakAfter: [10, 10, 10, ...never] }, {
        retryPolicy: { ...fast, maxRetries: 2 },
      }),
      3 + 2,
    );
    assertEquals(
      await requestsUntilFailure({ breakAfter: never }, { retryPolicy: false }),
      1,
    );
  },
);

testWith(
  needs,
  "asyncDownload() in segments makes exactly maxRetries retries in a row of a segment that breaks off",
  async () => {
    for (const maxRetries of [0, 1, 3]) {
      // The first response serves the first segment to its end; the second segment never comes.
      let asked = 0;
      const all = await requestsUntilFailure({
        before: async (index) => {
          // The first request is the whole's.
          if (index > 0) asked++;
          await Promise.resolve();
        },
        breakAfter: [undefined, ...Array(99).fill(0)],
      }, { segments: 2, retryPolicy: { ...fast, maxRetries } });
      assertEquals([all, asked], [2 + maxRetries, 1 + maxRetries]);
    }
  },
);

// What is trusted

testWith(
  needs,
  "asyncDownload() does not trust a part whose note has fractional, text or empty ranges",
  async () => {
    for (
      const ranges of [
        [[0, 200_000.5]],
        [[0.5, 200_000]],
        [["0", "200000"]],
        [["0", 200_000]],
        [[0, null]],
        [[-1, 200_000]],
        [[]],
        [[200_000]],
        [[0, 100, 200_000]],
        [[0, 200_000], []],
        [[0, 1e300]],
        [0, 200_000],
        ["05"],
        "0-200000",
        {},
        null,
      ]
    ) {
      await using directory = await TemporaryDirectory.create();
      const path = `${directory.root}/f`;
      await using server = serveFile({ contents });
      await using client = new AsyncHTTPClient();
      // Of the right length and validator, and wrong.
      await Deno.writeFile(`${path}.part`, new Uint8Array(200_000));
      await Deno.writeTextFile(
        `${path}.part.json`,
        JSON.stringify({ validator: '"v1"', size: contents.length, ranges }),
      );
      const { resumedFrom } = await asyncDownload(`${server.url}/f`, path, {
        client,
      });
      const note = JSON.stringify(ranges);
      assertEquals([resumedFrom, server.ranges], [0, [undefined]], note);
      assertEquals(await Deno.readFile(path), contents, note);
    }
  },
);

testWith(
  needs,
  "asyncDownload() takes nothing of a part whose note has no range, or only ranges of no length",
  async () => {
    for (const ranges of [[], [[5, 5]], [[0, 0], [200_000, 200_000]]]) {
      await using directory = await TemporaryDirectory.create();
      const path = `${directory.root}/f`;
      await using server = serveFile({ contents });
      await using client = new AsyncHTTPClient();
      await Deno.writeFile(`${path}.part`, new Uint8Array(200_000));
      await Deno.writeTextFile(
        `${path}.part.json`,
        JSON.stringify({ validator: '"v1"', size: contents.length, ranges }),
      );
      const { resumedFrom } = await asyncDownload(`${server.url}/f`, path, {
        client,
      });
      assertEquals(resumedFrom, 0);
      assertEquals(await Deno.readFile(path), contents);
      assert(server.ranges.length > 0);
    }
  },
);
