/**
 * What docs/SECURITY.md says a part may do without is really not needed: each part runs with the
 * permissions of its row and no other.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AsyncHTTPClient, AsyncRunner } from "../../mod.ts";
import { serve } from "../support/http_servers.ts";
import { testWith } from "../support/permissions.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

const root = new URL("../../", import.meta.url);

/** A program for each row. `dir` and `url` are given; it fails by throwing. */
const programs: Record<string, string> = {
  "runner, streams, pools, `span`, `asyncRun`": `
    import { asyncRun, AsyncRunner, AsyncStream, ResourcePool, span } from "mod";
    await asyncRun(async () => {
      await using runner = new AsyncRunner();
      await using pool = new ResourcePool({ maxResources: 1, factory: () => 1 });
      await span("work", {}, () => AsyncStream.of(1, 2).map(() => pool.use((n) => n), { runner }).collect());
    });`,
  "`offload` to a local module": `
    import { AsyncRunner } from "mod";
    await using runner = new AsyncRunner();
    const primes = "${new URL("examples/one_scheduler/primes.ts", root)}";
    if (await runner.offload(primes, "countPrimes", [10]) !== 4) throw 1;`,
  "SPECIFY_ASYNC variables": `
    import { AsyncRunner } from "mod";
    await using runner = new AsyncRunner();
    if (runner.scheduler.maxConcurrent !== 3) throw 1;`,
  "`AsyncHTTPClient`, `asyncBatchRequests`": `
    import { asyncBatchRequests, AsyncHTTPClient } from "mod";
    await using client = new AsyncHTTPClient({ retryPolicy: {}, maxConnections: 2 });
    await client.get(url).text();
    await asyncBatchRequests([url, url], { client });`,
  "`asyncDownload`": `
    import { asyncDownload } from "mod";
    await asyncDownload(url, dir + "/file");`,
  "`asyncUpload` of a file": `
    import { asyncUpload } from "mod";
    await asyncUpload(url, dir + "/there.txt");`,
  "reading, walking, watching, tail, hashes": `
    import { AsyncDirectoryWatcher, AsyncFileReader, asyncFileExists, asyncHashFile, asyncReadFile, walkAsync } from "mod";
    const path = dir + "/there.txt";
    await asyncReadFile(path);
    await asyncHashFile(path);
    await asyncFileExists(path);
    await walkAsync(dir, { ignoreFiles: ".gitignore" }).count();
    await using reader = new AsyncFileReader(path);
    await reader.streamLines().count();
    await reader.tail().count();
    await using watcher = new AsyncDirectoryWatcher(dir);
    await watcher.ready;`,
  "`asyncWriteFile`, `AsyncFileWriter`, `asyncMkdir`": `
    import { asyncMkdir, AsyncFileWriter, asyncWriteFile } from "mod";
    await asyncMkdir(dir + "/a/b", { parents: true });
    await asyncWriteFile(dir + "/c", "text");
    await using writer = new AsyncFileWriter(dir + "/d");
    await writer.write("text");`,
  "the same with `atomic`, `asyncCopyFile`": `
    import { asyncCopyFile, asyncWriteFile } from "mod";
    await asyncWriteFile(dir + "/e", "text", { atomic: true });
    await asyncWriteFile(dir + "/e", "text", { atomic: true });
    await asyncCopyFile(dir + "/e", dir + "/f");`,
};

testWith(
  ["read", "write", "net", "run", "env"],
  "docs/SECURITY.md: each part runs with the permissions of its row, and asks for no other",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using server = serve(() => new Response("content"));
    const page = await Deno.readTextFile(new URL("docs/SECURITY.md", root));
    const rows = new Map<string, string>();
    const section = page.split("\n## ")[1] ?? ""; // Permissions
    for (const line of section.split("\n")) {
      const [, part, flags] = /^\| (.+?) +\| (`--.*|none) +\|/.exec(line) ?? [];
      if (part !== undefined && flags !== undefined) {
        rows.set(part, flags.trim());
      }
    }
    assertEquals([...rows.keys()], Object.keys(programs));
    await using runner = new AsyncRunner({ maxWorkers: 2 });
    const run = async (part: string, flags: string, index: number) => {
      const dir = directory.path(`${index}`);
      await directory.write(`${index}/there.txt`, "content\n");
      const program = await directory.write(
        `program_${index}.ts`,
        `const dir = ${JSON.stringify(dir)}, url = "${server.url}";\n` +
          programs[part]!.replace('"mod"', `"${new URL("mod.ts", root)}"`), // checked above
      );
      const permissions = flags === "none" ? [] : flags.replaceAll("`", "")
        .replaceAll("<directory>", dir)
        .replaceAll("<host>", "127.0.0.1")
        .split(" ");
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-prompt",
          "--no-check",
          `--config=${fromFileUrl(new URL("deno.json", root))}`,
          ...permissions,
          program,
        ],
        env: { SPECIFY_ASYNC_WORKERS: "3", NO_COLOR: "1" },
        stdin: "null",
        signal: AbortSignal.timeout(200_000),
      }).output();
      const problem = new TextDecoder().decode(stderr);
      assertEquals([part, code, problem], [part, 0, ""]);
    };
    await runner.gather(
      [...rows].map(([part, flags], index) => () => run(part, flags, index)),
    );
  },
);

testWith(
  ["net"],
  "what a redirect to another origin takes out of a request is not put back by the next redirect",
  async () => {
    const secrets: (string | null)[] = [];
    await using first = serve(({ url, headers }) => {
      secrets.push(headers.get("authorization"));
      return new URL(url).pathname === "/back"
        ? new Response("back")
        : Response.redirect(`${second.url}/`, 302);
    });
    await using second = serve(({ headers }) => {
      secrets.push(headers.get("authorization"));
      return Response.redirect(`${first.url}/back`, 302);
    });
    await using client = new AsyncHTTPClient({ auth: "Bearer secret" });
    assertEquals(await client.get(`${first.url}/`).text(), "back");
    assertEquals(secrets, ["Bearer secret", null, null]);
  },
);
