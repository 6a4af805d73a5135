/**
 * The names of the tasks that the modules submit by themselves: what is seen in traces, in the
 * timeline and in errors.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { asyncCopyFile, walkAsync } from "../../file/mod.ts";
import {
  asyncBatchRequests,
  asyncDownload,
  AsyncHTTPClient,
} from "../../http/mod.ts";
import { AsyncRunner } from "../../runner/mod.ts";
import { serveFile } from "../support/file_server.ts";
import { testWith } from "../support/permissions.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

testWith(
  ["net", "read", "write"],
  "AsyncRunner's tasks are named after what they do for walks, copies, downloads and calls",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const from = directory.path("from");
    await directory.write("from/a/b", "1");
    await using server = serveFile({
      contents: new Uint8Array(300_000),
    });
    await using runner = new AsyncRunner({ maxWorkers: 4, timeline: 100 });
    const namesOf = async (work: () => Promise<unknown>) => {
      const before = new Set(ids());
      await work();
      return runner.timeline().traceEvents
        .filter(({ ph, args }) => ph === "X" && !before.has(args.id))
        .map(({ name }) => name).sort();
    };
    const ids = () => runner.timeline().traceEvents.map(({ args }) => args.id);

    const reads = [`read ${from}`, `read ${directory.path("from/a")}`];
    assertEquals(
      await namesOf(() => walkAsync(from, { runner }).drain()),
      reads,
    );
    assertEquals(
      await namesOf(() =>
        asyncCopyFile(from, directory.path("to"), { runner })
      ),
      [`copy ${directory.path("from/a/b")}`, ...reads],
    );

    const url = `${server.url}/file?token=secret`;
    const shown = `${server.url}/file?token=***`;
    assertEquals(
      await namesOf(() =>
        asyncDownload(url, directory.path("file"), { runner, segments: 3 })
      ),
      [
        `download ${shown}`,
        "segment 0-99999",
        "segment 100000-199999",
        "segment 200000-299999",
      ],
    );
    assertEquals(
      await namesOf(async () => await asyncBatchRequests([url], { runner })),
      [`GET ${shown}`],
    );
    await using client = new AsyncHTTPClient({ runner });
    assertEquals(await namesOf(() => client.get(url).bytes()), [
      `GET ${shown}`,
    ]);
  },
);
