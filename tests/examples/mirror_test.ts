/**
 * The demo as a stranger runs it: as a program, against origins that misbehave by a fixed script.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  type Fault,
  scriptFaults,
  seededRandom,
} from "../../examples/mirror/faults.ts";
import {
  manifestOf,
  Origin,
  type ServedFile,
} from "../../examples/mirror/origin.ts";
import { testWith } from "../support/permissions.ts";

const program = fromFileUrl(
  new URL("../../examples/mirror.ts", import.meta.url),
);
const needed: Deno.PermissionName[] = ["read", "write", "net", "run", "env"];
const held = "large/held.bin";

interface Tree extends AsyncDisposable {
  readonly root: string;
  readonly files: ServedFile[];
  /** A folder for the mirror; not there yet. */
  readonly folder: string;
}

/** A fixed tree of small, middle and large files. */
async function makeTree(): Promise<Tree> {
  const root = await Deno.makeTempDir({ prefix: "mirror_test_" });
  const random = seededRandom(1);
  const sizes = new Map<string, number>([
    ["empty.txt", 0],
    ["one byte", 1],
    ["deep/er/and/deeper/ünïcode 100%.txt", 1000],
    ["middle/a.bin", 300_000],
    ["middle/b.bin", 70_000],
    ["large/whole.bin", 1_500_000],
    [held, 3_000_000],
  ]);
  for (let n = 0; n < 40; n++) {
    sizes.set(`small/${n % 7}/file-${n}.bin`, Math.floor(random() * 20_000));
  }
  const files: ServedFile[] = [];
  for (const [path, size] of sizes) {
    const content = new Uint8Array(size);
    for (let n = 0; n < size; n++) content[n] = random() * 256;
    const source = join(root, "origin", ...path.split("/"));
    await Deno.mkdir(dirname(source), { recursive: true });
    await Deno.writeFile(source, content);
    const sha256 = createHash("sha256").update(content).digest("hex");
    files.push({ path, size, sha256, source });
  }
  return {
    root,
    files,
    folder: join(root, "copy"),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

function start(args: string[], cwd?: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", program, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

async function listing(folder: string): Promise<string[]> {
  const paths: string[] = [];
  const visit = async (directory: string) => {
    for await (const entry of Deno.readDir(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory) await visit(path);
      else paths.push(relative(folder, path).replaceAll("\\", "/"));
    }
  };
  await visit(folder);
  return paths.sort();
}

/** Compares every byte of the given paths with the origin's. */
async function assertSame({ files, folder }: Tree, paths: string[]) {
  const sources = new Map(files.map((file) => [file.path, file.source]));
  for (const path of paths) {
    const source = sources.get(path);
    assert(source !== undefined, `${path} is not of the tree`);
    const copy = await Deno.readFile(join(folder, ...path.split("/")));
    // Native: a loop over megabytes is not.
    const order = Buffer.compare(copy, await Deno.readFile(source));
    assertEquals(order, 0, `${path} differs`);
  }
}

/** Each path once: a slow machine may run into a timeout and ask again. */
function requestedPaths({ requests }: Origin): string[] {
  return [...new Set(requests.map(({ path }) => path))].sort();
}

/** Resolves as soon as the file is longer than `size`. */
async function sizeAbove(size: number, path: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const info = await Deno.stat(path).catch(() => undefined);
    if (info !== undefined && info.size > size) return;
    assert(performance.now() < deadline, `${path} does not grow`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

testWith(
  needed,
  "mirror.ts interrupted by SIGINT leaves no half file, and the next run fetches only the rest",
  async () => {
    await using tree = await makeTree();
    const { files, folder } = tree;
    const reached = Promise.withResolvers<void>();
    const hold: Fault = {
      kind: "hold",
      after: 2_000_000,
      reached: () => reached.resolve(),
    };
    // A slow machine may run into a timeout before the interruption, and asks again in vain.
    const holdsAgain: Fault[] = Array(20).fill({ ...hold, after: 0 });
    const faults = new Map([
      ...scriptFaults(
        files.filter(({ path }) => path !== held),
        { unavailable: 2, reset: 6, slow: 4, silent: 0 },
        3,
      ),
      [held, [hold, ...holdsAgain]],
    ]);
    await using origin = await Origin.start(files, { faults });

    const child = start([origin.url.href, folder, "--workers", "4"]);
    const first = ended(child);
    await Promise.race([reached.promise, first]);
    // Half of the file is on its way; the interruption comes when some of it is on the disk.
    await sizeAbove(0, join(folder, ...`${held}.part`.split("/")));
    child.kill("SIGINT");
    const interrupted = await first;
    assertEquals(interrupted.code, 130, interrupted.stderr);
    assertStringIncludes(interrupted.stderr, "Interrupted");
    assertEquals(interrupted.stderr.includes("    at "), false);

    const left = await listing(folder);
    const whole = left.filter((path) => !/\.part(\.json)?$/.test(path));
    await assertSame(tree, whole);
    assertEquals(whole.includes(held), false);
    assertGreater(whole.length, 0);

    origin.requests.length = 0;
    faults.delete(held);
    const second = await ended(start([origin.url.href, folder]));
    assertEquals(second.code, 0, second.stderr + second.stdout);
    const paths = files.map(({ path }) => path).sort();
    assertEquals(await listing(folder), paths);
    await assertSame(tree, paths);
    for (const { path } of origin.requests) {
      assertEquals(whole.includes(path), false, `${path} was fetched again`);
    }
    const resumed = origin.requests.filter(({ path }) => path === held);
    assertGreater(resumed.length, 0);
    for (const { range } of resumed) {
      assertMatch(range ?? "", /^bytes=[1-9]\d*-/);
    }

    origin.requests.length = 0;
    const third = await ended(start([origin.url.href, folder]));
    assertEquals(third.code, 0, third.stderr + third.stdout);
    assertEquals(requestedPaths(origin), ["manifest.json"]);
    assertStringIncludes(third.stdout, `kept ${files.length}`);
    assertStringIncludes(third.stdout, "received 0 B");
  },
  // A program is ended by SIGINT on Windows without being asked.
  { ignore: Deno.build.os === "windows" },
);

testWith(
  needed,
  "mirror.ts repairs what was changed or cut in the mirror",
  async () => {
    await using tree = await makeTree();
    const { files, folder } = tree;
    await using origin = await Origin.start(files);
    assertEquals((await ended(start([origin.url.href, folder]))).code, 0);

    await Deno.writeTextFile(join(folder, "empty.txt"), "no more");
    await Deno.truncate(join(folder, "middle", "a.bin"), 1000);
    using file = await Deno.open(join(folder, "middle", "b.bin"), {
      write: true,
    });
    await file.write(new TextEncoder().encode("same length, other bytes"));
    origin.requests.length = 0;
    const { code, stdout } = await ended(start([origin.url.href, folder]));
    assertEquals(code, 0, stdout);
    await assertSame(tree, files.map(({ path }) => path));
    assertEquals(requestedPaths(origin), [
      "empty.txt",
      "manifest.json",
      "middle/a.bin",
      "middle/b.bin",
    ]);
  },
);

testWith(
  needed,
  "mirror.ts reports a file whose host is down, with the breaker, and ends with 0",
  async () => {
    await using tree = await makeTree();
    const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = gone.addr;
    gone.close();
    const url = `http://127.0.0.1:${port}/lost.bin`;
    const files = tree.files.map((file) =>
      file.path === "middle/a.bin" ? { ...file, url } : file
    );
    await using origin = await Origin.start(files);
    const { code, stdout, stderr } = await ended(
      start([origin.url.href, tree.folder]),
    );
    assertEquals(code, 0, stderr + stdout);
    assertMatch(stdout, /breaker trips\W+[1-9]/);
    assertMatch(
      stdout,
      /not served by its origin: middle\/a\.bin: .*circuit breaker.* is open/,
    );
    const paths = files.map(({ path }) => path)
      .filter((path) => path !== "middle/a.bin").sort();
    assertEquals(await listing(tree.folder), paths);
    await assertSame(tree, paths);
  },
);

testWith(
  needed,
  "mirror.ts ends with 1 when the origin serves other bytes than its manifest says",
  async () => {
    await using tree = await makeTree();
    const files = tree.files.map((file) =>
      file.path === "middle/a.bin" ? { ...file, sha256: "0".repeat(64) } : file
    );
    await using origin = await Origin.start(files);
    const { code, stdout, stderr } = await ended(
      start([origin.url.href, tree.folder]),
    );
    assertEquals(code, 1, stderr + stdout);
    assertMatch(stdout, /missing: middle\/a\.bin: .+/);
    assertEquals(
      (await listing(tree.folder)).some((path) =>
        path.startsWith("middle/a.bin")
      ),
      false,
    );
  },
);

testWith(
  needed,
  "mirror.ts ends with 0 for a file that its origin refuses, with 1 for one that breaks off for ever",
  async () => {
    await using tree = await makeTree();
    await using other = await Origin.start([]);
    const files = tree.files.map((file) =>
      file.path === "middle/a.bin"
        ? { ...file, url: new URL("nothing.bin", other.url).href }
        : file
    );
    const breaksOff: Fault[] = Array.from(
      { length: 100 },
      () => ({ kind: "reset", after: 0 }),
    );
    await using origin = await Origin.start(files, {
      faults: new Map([["middle/b.bin", breaksOff]]),
    });
    const first = await ended(start([origin.url.href, tree.folder]));
    assertEquals(first.code, 1, first.stderr + first.stdout);
    assertMatch(
      first.stdout,
      /not served by its origin: middle\/a\.bin: .*404/,
    );
    assertMatch(first.stdout, /missing: middle\/b\.bin: .+/);

    await using better = await Origin.start(files);
    const second = await ended(start([better.url.href, tree.folder]));
    assertEquals(second.code, 0, second.stderr + second.stdout);
    assertMatch(second.stdout, /fetched 1, .*missing 1/);
    await assertSame(
      tree,
      files.map(({ path }) => path).filter((path) => path !== "middle/a.bin"),
    );
  },
);

testWith(
  needed,
  "mirror.ts brings the files whose host's breaker another file has opened",
  async () => {
    await using tree = await makeTree();
    // The first of the manifest, with one worker: nothing else keeps the breaker closed.
    const down: Fault[] = Array.from(
      { length: 100 },
      () => ({ kind: "unavailable", retryAfter: 0 }),
    );
    await using origin = await Origin.start(tree.files, {
      faults: new Map([["empty.txt", down]]),
    });
    const { code, stdout, stderr } = await ended(
      start([origin.url.href, tree.folder, "--workers", "1"]),
    );
    assertEquals(code, 0, stderr + stdout);
    assertMatch(stdout, /breaker trips\W+[1-9]/);
    assertMatch(stdout, /not served by its origin: empty\.txt: .*503/);
    const rest = tree.files.map(({ path }) => path)
      .filter((path) => path !== "empty.txt").sort();
    assertEquals(await listing(tree.folder), rest);
    await assertSame(tree, rest);
  },
);

testWith(
  needed,
  "mirror.ts keeps nothing whose length is not that of the manifest, however long the body",
  async () => {
    await using tree = await makeTree();
    const sizes = new Map([["middle/a.bin", 7], ["middle/b.bin", 80_000]]);
    const files = tree.files.map((file) => ({
      ...file,
      size: sizes.get(file.path) ?? file.size,
    }));
    await using origin = await Origin.start(tree.files);
    const manifest = JSON.stringify(manifestOf(files));
    await using server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
    }, ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname === "/manifest.json") return new Response(manifest);
      if (pathname !== "/middle/a.bin") {
        return fetch(new URL(pathname, origin.url));
      }
      return new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1000)),
        }),
      );
    });
    const { code, stdout, stderr } = await ended(
      start([`http://127.0.0.1:${server.addr.port}/`, tree.folder]),
    );
    assertEquals(code, 1, stderr + stdout);
    assertMatch(stdout, /missing: middle\/a\.bin: .*maxBytes/);
    assertMatch(stdout, /missing: middle\/b\.bin: it has 70000 bytes/);
    const rest = files.map(({ path }) => path)
      .filter((path) => !sizes.has(path)).sort();
    assertEquals(await listing(tree.folder), rest);
  },
);

async function assertRefused(
  args: string[],
  folder: string,
  expected: RegExp,
): Promise<void> {
  const { code, stdout, stderr } = await ended(start(args));
  assertEquals(code, 2, stderr + stdout);
  assertEquals(stdout, "");
  assertMatch(stderr, expected);
  assertEquals(stderr.trimEnd().includes("\n"), false, stderr);
  const isThere = await Deno.lstat(folder).then(() => true, () => false);
  assertEquals(isThere, false, `${folder} was made`);
}

testWith(
  needed,
  "mirror.ts refuses bad input in one line, ends with 2 and writes nothing",
  async (t) => {
    await using tree = await makeTree();
    const { folder } = tree;
    await using origin = await Origin.start(tree.files);
    const { href } = origin.url;

    await t.step(
      "an unknown flag",
      () => assertRefused(["--wrong"], folder, /'--wrong'.*See --help/),
    );

    await t.step("a folder that cannot be written", async () => {
      const file = join(tree.root, "file");
      await Deno.writeTextFile(file, "a file in the way");
      await assertRefused([href, file], folder, /folder .*file/);
      await assertRefused([href, join(file, "sub")], folder, /folder .*sub/);
      assertEquals(await Deno.readTextFile(file), "a file in the way");
    });

    await t.step("an origin that nobody listens at", async () => {
      const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = gone.addr;
      gone.close();
      await assertRefused(
        [`http://127.0.0.1:${port}/`, folder],
        folder,
        /does not answer/,
      );
    });

    await t.step("an origin that is silent", async () => {
      const silent: Fault[] = Array.from(
        { length: 9 },
        () => ({ kind: "silent" }),
      );
      await using mute = await Origin.start(tree.files, {
        faults: new Map([["manifest.json", silent]]),
      });
      await assertRefused([mute.url.href, folder], folder, /does not answer/);
    });

    await t.step("an origin whose manifest breaks off each time", async () => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const serving = (async () => {
        for await (const connection of listener) {
          await connection.read(new Uint8Array(4096));
          await connection.write(
            new TextEncoder().encode(
              "HTTP/1.1 200\r\ncontent-length: 9\r\n\r\n{",
            ),
          );
          connection.close();
        }
      })();
      const url = `http://127.0.0.1:${listener.addr.port}/`;
      await assertRefused([url, folder], folder, /does not answer/);
      listener.close();
      await serving;
    });

    const manifests: [string, number, string, RegExp][] = [
      ["no JSON", 200, "<html>hello</html>", /is no JSON.*<html>/],
      ["no manifest", 200, '{"a": 1}', /has no list "files"/],
      [
        "one that leaves the folder",
        200,
        JSON.stringify({
          files: [{ path: "../up", size: 1, sha256: "0".repeat(64) }],
        }),
        /not a relative path inside/,
      ],
      ["none", 404, "not here", /404/],
    ];
    for (const [name, status, body, expected] of manifests) {
      await t.step(`a manifest that is ${name}`, async () => {
        await using server = Deno.serve({
          hostname: "127.0.0.1",
          port: 0,
          onListen: () => {},
        }, () => new Response(body, { status }));
        const url = `http://127.0.0.1:${server.addr.port}/`;
        await assertRefused([url, folder], folder, expected);
      });
    }
  },
);

testWith(
  needed,
  "mirror.ts without arguments mirrors its own origin and reports",
  async () => {
    const cwd = await Deno.makeTempDir({ prefix: "mirror_test_" });
    try {
      const { code, stdout, stderr } = await ended(start([], cwd));
      assertEquals(code, 0, stderr + stdout);
      for (
        const row of ["files", "bytes", "time", "sequential time", "ratio"]
      ) {
        assertMatch(stdout, new RegExp(`│ ${row}\\s+│`));
      }
      assertMatch(stdout, /not served by its origin: .*circuit breaker/);
    } finally {
      await Deno.remove(cwd, { recursive: true });
    }
  },
);

testWith(needed, "mirror.ts --help says how it is used", async () => {
  const { code, stdout } = await ended(start(["--help"]));
  assertEquals(code, 0);
  assertStringIncludes(stdout, "Usage: mirror.ts");
});
