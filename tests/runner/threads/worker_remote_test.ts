/**
 * Offloading from where the package really is: on a web server, as JSR is one; and without the
 * permissions or the script that it needs.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { walk } from "@std/fs";
import { fromFileUrl, toFileUrl } from "@std/path";
import { nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";

const ROOT = new URL("../../../", import.meta.url);

/** As JSR writes it into the published modules. */
const importMap = `data:application/json,${
  encodeURIComponent(JSON.stringify({
    imports: { "@opentelemetry/api": "npm:@opentelemetry/api@^1.9.0" },
  }))
}`;

async function run(program: string, ...flags: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      "--no-lock",
      "--no-prompt",
      "--no-config",
      `--import-map=${importMap}`,
      "--reload=http://127.0.0.1",
      ...flags,
      `data:application/typescript,${encodeURIComponent(program)}`,
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return decoder.decode(stdout).trim() + decoder.decode(stderr).trim();
}

testWith(
  ["run", "read", "net"],
  "WorkerPool works when the package is loaded from a web server",
  async () => {
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/users_module.ts") {
          return new Response("export const twice = (n: number) => n * 2;", {
            headers: { "content-type": "application/typescript" },
          });
        }
        return new Response(
          await Deno.readFile(new URL(`.${pathname}`, ROOT)),
          {
            headers: { "content-type": "application/typescript" },
          },
        );
      },
    );
    const origin = `http://127.0.0.1:${server.addr.port}`;
    assertEquals(
      await run(
        `import { WorkerPool } from "${origin}/runner/threads/worker_pool.ts";
      await using pool = new WorkerPool({ maxWorkers: 1 });
      console.log(await pool.run("${origin}/users_module.ts", "twice", [21]));`,
        `--allow-import=127.0.0.1:${server.addr.port}`,
      ),
      "42",
    );
  },
);

testWith(
  ["run", "read"],
  "WorkerPool says which permission a local module needs",
  async () => {
    await using _ = nothingLeft();
    const text = await run(
      `import { WorkerPool } from ${
        JSON.stringify(new URL("runner/threads/worker_pool.ts", ROOT).href)
      };
    await using pool = new WorkerPool({ maxWorkers: 1 });
    const module = ${
        JSON.stringify(
          new URL("../fixtures/offloaded.ts", import.meta.url).href,
        )
      };
    await pool.run(module, "add", [1, 2]).catch((error) => {
      console.log(error.name, error.message);
    });`,
    );
    assertMatch(
      text,
      /^OffloadError offload\(\) needs --allow-read for .*worker_entry.ts/,
    );
  },
);

testWith(
  ["run", "read", "write"],
  "WorkerPool says so when its worker's script is missing, as in a bundle",
  async () => {
    await using _ = nothingLeft();
    await using directory = await TemporaryDirectory.create();
    const root = fromFileUrl(ROOT);
    for (const folder of ["runner", "telemetry", "_internal"]) {
      for await (const { path, name, isFile } of walk(`${root}${folder}`)) {
        if (!isFile || name === "worker_entry.ts") continue;
        await directory.write(
          path.slice(root.length),
          await Deno.readFile(path),
        );
      }
    }
    const text = await run(
      `import { WorkerPool } from ${
        JSON.stringify(
          toFileUrl(directory.path("runner/threads/worker_pool.ts")).href,
        )
      };
    await using pool = new WorkerPool({ maxWorkers: 1 });
    await pool.run("data:text/javascript,", "add", []).catch((error) => {
      console.log(error.name, error.message, error.cause.name);
    });`,
      "--allow-read",
    );
    assertMatch(text, /^OffloadError .*which is not there\. .* NotFound$/);
  },
);
