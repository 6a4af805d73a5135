/**
 * 256 MiB from loopback to disk, with progress and SHA-256 and every write error seen, beside
 * hand-written ways and curl. The server runs in a process of its own. Prints how much memory
 * each took.
 *
 * @module
 */
import { asyncDownload, AsyncHTTPClient } from "../http/mod.ts";
import { startServer } from "./http_process.ts";

const url = `${await startServer()}/large`;
const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => {
  Deno.removeSync(directory, { recursive: true });
});
const path = `${directory}/large`;
const client = new AsyncHTTPClient({ timeout: Infinity });

async function readLoop(): Promise<void> {
  const response = await fetch(url);
  using file = await Deno.open(path, {
    write: true,
    create: true,
    truncate: true,
  });
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    let rest = value;
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  }
}

const ways: Record<string, () => Promise<unknown>> = {
  "read loop with file.write": readLoop,
  "asyncDownload: progress, SHA-256, fsync, rename": () => {
    let bytes = 0;
    return asyncDownload(url, path, {
      client,
      onProgress: (progress) => bytes = progress.bytes,
    }).then(() => bytes);
  },
  "pipeTo(file.writable), loses write errors": async () => {
    const response = await fetch(url);
    const file = await Deno.open(path, {
      write: true,
      create: true,
      truncate: true,
    });
    await response.body!.pipeTo(file.writable);
  },
  "Deno.writeFile(path, body), loses write errors": async () => {
    const response = await fetch(url);
    await Deno.writeFile(path, response.body!);
  },
  "arrayBuffer and writeFile": async () => {
    const response = await fetch(url);
    await Deno.writeFile(path, new Uint8Array(await response.arrayBuffer()));
  },
  "curl": async () => {
    await new Deno.Command("curl", { args: ["-s", "-o", path, url] }).output();
  },
};

for (const [name, download] of Object.entries(ways)) {
  Deno.bench({
    name,
    group: "256 MiB to disk",
    baseline: name.startsWith("read loop"),
    n: 3,
    warmup: 1,
    fn: async () => {
      const before = Deno.memoryUsage().rss;
      await download();
      const after = Deno.memoryUsage().rss;
      const grown = Math.max(0, after - before) / 2 ** 20;
      if (grown > 64) console.error(`${name}: ${grown.toFixed(0)} MiB more`);
    },
  });
}
