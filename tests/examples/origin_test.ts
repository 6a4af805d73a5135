import { assertEquals, assertRejects } from "@std/assert";
import { type Fault, scriptFaults } from "../../examples/mirror/faults.ts";
import { Origin, type ServedFile } from "../../examples/mirror/origin.ts";
import { testWith } from "../support/permissions.ts";

const sha256 = "1".repeat(64);

async function served(content: string): Promise<ServedFile & AsyncDisposable> {
  const source = await Deno.makeTempFile();
  await Deno.writeTextFile(source, content);
  return {
    path: "dir/a b.txt",
    size: content.length,
    sha256,
    source,
    [Symbol.asyncDispose]: () => Deno.remove(source),
  };
}

const needed: Deno.PermissionName[] = ["net", "read", "write"];

testWith(needed, "Origin serves its manifest, files and ranges", async () => {
  await using file = await served("0123456789");
  await using origin = await Origin.start([file]);
  const manifest = await (await fetch(new URL("manifest.json", origin.url)))
    .json();
  assertEquals(manifest, {
    files: [{ path: "dir/a b.txt", size: 10, sha256 }],
  });
  const url = new URL("dir/a b.txt", origin.url);
  const get = async (headers: Record<string, string>) => {
    const response = await fetch(url, { headers });
    return [
      response.status,
      response.headers.get("content-range"),
      await response.text(),
    ];
  };
  assertEquals(await get({}), [200, null, "0123456789"]);
  assertEquals(await get({ range: "bytes=4-" }), [
    206,
    "bytes 4-9/10",
    "456789",
  ]);
  assertEquals(await get({ range: "bytes=4-6" }), [206, "bytes 4-6/10", "456"]);
  assertEquals(await get({ range: "bytes=10-" }), [416, "bytes */10", ""]);
  assertEquals(
    await get({ range: "bytes=4-", "if-range": `"${sha256}"` }),
    [206, "bytes 4-9/10", "456789"],
  );
  assertEquals(await get({ range: "bytes=4-", "if-range": '"other"' }), [
    200,
    null,
    "0123456789",
  ]);
  const missing = await fetch(new URL("nothing", origin.url));
  assertEquals([missing.status, await missing.text()], [404, "no such file\n"]);
});

testWith(needed, "Origin misbehaves by its script, then serves", async () => {
  await using file = await served("0123456789");
  const faults: Fault[] = [
    { kind: "unavailable", retryAfter: 1 },
    { kind: "reset", after: 5 },
    { kind: "slow", delay: 20 },
  ];
  await using origin = await Origin.start([file], {
    faults: new Map([[file.path, faults]]),
  });
  const url = new URL(file.path, origin.url);
  for (let round = 0; round < 2; round++) {
    const busy = await fetch(url);
    assertEquals([busy.status, busy.headers.get("retry-after")], [503, "1"]);
    await busy.body?.cancel();
    await assertRejects(async () => await (await fetch(url)).text(), TypeError);
    assertEquals(await (await fetch(url)).text(), "0123456789");
    assertEquals(await (await fetch(url)).text(), "0123456789");
    assertEquals(origin.requests.map(({ fault }) => fault), [
      "unavailable",
      "reset",
      "slow",
      undefined,
    ]);
    origin.rewind();
  }
});

testWith(
  needed,
  "Origin drops whoever still waits when it is disposed",
  async () => {
    await using file = await served("0123456789");
    const origin = await Origin.start([file], {
      faults: new Map([[file.path, [{ kind: "silent" }]]]),
    });
    const waiting = assertRejects(
      () => fetch(new URL(file.path, origin.url)),
      TypeError,
    );
    while (origin.requests.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await origin[Symbol.asyncDispose]();
    await waiting;
  },
);

Deno.test("scriptFaults() gives the same script for the same seed", () => {
  const files = Array.from(
    { length: 100 },
    (_, n) => ({ path: `file-${n}`, size: n * 50 }),
  );
  const counts = { unavailable: 5, reset: 5, slow: 5, silent: 5 };
  const script = scriptFaults(files, counts, 7);
  assertEquals(scriptFaults(files.toReversed(), counts, 7), script);
  assertEquals(script.size, 20);
  for (const [path, [fault]] of script) {
    const size = files.find((file) => file.path === path)?.size ?? 0;
    if (fault?.kind === "reset") assertEquals(fault.after, size >> 1);
  }
  assertEquals(
    [...scriptFaults(files.slice(0, 3), counts, 7).values()].length,
    3,
  );
});
