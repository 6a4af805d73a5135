/**
 * The smoke suite in every runtime that is on this machine: Node, Bun, Chromium. A runtime that is
 * not there is ignored, and the test's name says so.
 *
 * @module
 */
import { assertEquals, assertGreater } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { testWith } from "../support/permissions.ts";
import type { SmokeReport } from "./smoke.ts";
import { serveSmoke, type SmokeServer } from "./smoke_server.ts";

/** Fewer would mean that cases were left out. */
const LEAST_CASES = 25;

const PERMISSIONS = ["read", "write", "net", "run"] as const;

const mayLook = ["run", "read"].every((name) =>
  Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state ===
    "granted"
);

/** Whether the program runs and, with `least`, is of that major version or later. */
function isThere(program: string, least = 0): boolean {
  if (!mayLook) return false;
  try {
    const { success, stdout } = new Deno.Command(program, {
      args: ["--version"],
    }).outputSync();
    const major = /\d+/.exec(new TextDecoder().decode(stdout))?.[0];
    return success && Number(major) >= least;
  } catch {
    return false;
  }
}

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/google-chrome"]
  .find((path) => isThere(path)) ?? "/usr/bin/chromium";

interface Suite extends AsyncDisposable {
  readonly server: SmokeServer;
  readonly directory: string;
  /** The bundle's path. */
  readonly script: string;
}

async function suite(): Promise<Suite> {
  const directory = await Deno.makeTempDir();
  const script = `${directory}/smoke.mjs`;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      "--platform=browser",
      `--output=${script}`,
      fromFileUrl(new URL("./entry.ts", import.meta.url)),
    ],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assertEquals(success, true, new TextDecoder().decode(stderr));
  const server = serveSmoke(await Deno.readTextFile(script));
  return {
    server,
    directory,
    script,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await removeAtLast(directory);
    },
  };
}

/** Removes what a browser's helper processes, which end after it, may still be writing to. */
async function removeAtLast(directory: string): Promise<void> {
  for (let left = 100;; left--) {
    try {
      return await Deno.remove(directory, { recursive: true });
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Runs the bundle as a program, which must end by itself. */
async function runProgram(
  program: string,
  args: string[],
  { server }: Suite,
): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args, server.url],
    signal: AbortSignal.timeout(150_000),
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  assertEquals(code, 0, err);
  check(JSON.parse(out ?? ""));
}

function check({ passed, failed }: SmokeReport): void {
  assertEquals(failed, []);
  assertGreater(passed.length, LEAST_CASES);
}

function smokeIn(
  runtime: string,
  isInstalled: boolean,
  run: (suite: Suite) => Promise<void>,
): void {
  const missing = mayLook && !isInstalled ? " (not installed here)" : "";
  testWith(
    [...PERMISSIONS],
    `the smoke suite holds in ${runtime}${missing}`,
    async () => {
      await using all = await suite();
      await run(all);
    },
    { ignore: mayLook && !isInstalled },
  );
}

const hasNode = isThere("node", 20);

smokeIn(
  "Deno, from the bundle",
  true,
  (all) => runProgram(Deno.execPath(), ["run", "--allow-all", all.script], all),
);

smokeIn(
  "Node 20 or later",
  hasNode,
  (all) => runProgram("node", [all.script], all),
);

smokeIn("Bun", isThere("bun"), (all) => runProgram("bun", [all.script], all));

// What the oldest supported runtimes lack. Not asked of Bun, which does not let it be deleted.
const WITHOUT = `
delete ReadableStream.from;
delete Promise.withResolvers;
delete Promise.try;
delete Array.fromAsync;
delete Response.prototype.bytes;
delete globalThis.Iterator;
delete globalThis.setImmediate;
for (const name of ["union", "intersection", "difference", "isSubsetOf", "isDisjointFrom"]) {
  delete Set.prototype[name];
}
// Its own properties cannot be deleted.
const Full = Symbol;
globalThis.Symbol = function Symbol(name) { return Full(name); };
for (const name of Object.getOwnPropertyNames(Full)) {
  if (["dispose", "asyncDispose", "length", "name", "prototype"].includes(name)) continue;
  Object.defineProperty(Symbol, name, Object.getOwnPropertyDescriptor(Full, name));
}
Symbol.prototype = Full.prototype;
await import("./smoke.mjs");
`;

smokeIn(
  "a Node without what not every runtime has, such as Symbol.dispose and Promise.withResolvers",
  hasNode,
  async (all) => {
    const script = `${all.directory}/without.mjs`;
    await Deno.writeTextFile(script, WITHOUT);
    await runProgram("node", [script], all);
  },
);

testWith(
  [...PERMISSIONS],
  "the bundle has no syntax and calls nothing that the supported runtimes lack",
  async () => {
    await using all = await suite();
    const lines = (await Deno.readTextFile(all.script)).split("\n")
      .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line));
    const missing =
      /^\s*(await )?using \w+ =|^import |\b(Promise\.(withResolvers|try)|Array\.fromAsync|ReadableStream\.from|Iterator\.from)\(/;
    assertEquals(lines.filter((line) => missing.test(line)), []);
  },
);

for (const from of ["page", "worker"] as const) {
  smokeIn(
    `Chromium, in a ${from}${from === "worker" ? " of its own thread" : ""}`,
    isThere(CHROMIUM),
    async ({ server, directory }) => {
      const browser = new Deno.Command(CHROMIUM, {
        args: [
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          `--user-data-dir=${directory}/profile`,
          `${server.url}/${from}`,
        ],
        stdout: "null",
        stderr: "null",
      }).spawn();
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        check(
          await Promise.race([
            server.report(from),
            new Promise<never>((_, reject) => {
              timer = setTimeout(
                () => reject(new Error("The page reported nothing")),
                150_000,
              );
            }),
          ]),
        );
      } finally {
        clearTimeout(timer);
        browser.kill();
        await browser.status;
      }
    },
  );
}
