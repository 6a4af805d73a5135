/**
 * Files: lines, many small files, atomic writes, many small writes, copies, hashes, and what a watcher
 * takes. Sizes are a tenth of the promised ones unless BENCH_FULL=1.
 *
 * @module
 */
import { TextLineStream } from "@std/streams";
import { Buffer } from "node:buffer";
import { createReadStream, createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import writeFileAtomic from "write-file-atomic";
import {
  asyncCopyFile,
  AsyncDirectoryWatcher,
  AsyncFileReader,
  AsyncFileWriter,
  asyncHashFile,
  asyncReadFile,
  asyncWriteFile,
  readAll,
} from "../file/mod.ts";
import { AsyncRunner } from "../runner/mod.ts";
import {
  benchDirectory,
  command,
  inLoops,
  isFull,
  megabytes,
  sized,
  writeLines,
  writeRandom,
} from "./file_support.ts";

const directory = benchDirectory();
const n = isFull ? 3 : 5;
const warmup = 1;

// Lines

const lines = `${directory}/lines`;
writeLines(lines, sized(500e6));
let group = `lines of ${megabytes(sized(500e6))}, through a terminal`;

Deno.bench("AsyncFileReader.streamLines().count()", {
  group,
  n,
  warmup,
  baseline: true,
}, async () => {
  await new AsyncFileReader(lines).streamLines().count();
});
Deno.bench(
  "AsyncFileReader.streamLines().forEach()",
  { group, n, warmup },
  async () => {
    let length = 0;
    await new AsyncFileReader(lines).streamLines().forEach((line) => {
      length += line.length;
    });
  },
);
Deno.bench(
  "TextDecoderStream + TextLineStream",
  { group, n, warmup },
  textLineStream,
);
Deno.bench("node:readline", { group, n, warmup }, nodeReadline);
Deno.bench(
  "wc -l",
  { group, n, warmup },
  async () => await command("wc", "-l", lines),
);

group = `lines of ${megabytes(sized(500e6))}, for await`;
Deno.bench("AsyncFileReader.streamLines()", {
  group,
  n,
  warmup,
  baseline: true,
}, async () => {
  let count = 0;
  for await (const _ of new AsyncFileReader(lines).streamLines()) count++;
});
Deno.bench("TextDecoderStream + TextLineStream, for await", {
  group,
  n,
  warmup,
}, textLineStream);
Deno.bench("node:readline, for await", { group, n, warmup }, nodeReadline);

async function textLineStream(): Promise<void> {
  using file = await Deno.open(lines);
  let count = 0;
  for await (
    const _ of file.readable.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())
  ) count++;
}

async function nodeReadline(): Promise<void> {
  let count = 0;
  const input = createReadStream(lines);
  for await (const _ of createInterface({ input, crlfDelay: Infinity })) {
    count++;
  }
}

for (const size of [sized(64e6), sized(128e6)]) {
  const path = `${directory}/one-line-${size}`;
  Deno.writeFileSync(path, new Uint8Array(size).fill(120));
  Deno.bench(`one line of ${megabytes(size)}`, {
    group: "one long line: linear time",
    n,
    warmup,
  }, async () => {
    await new AsyncFileReader(path).streamLines().count();
  });
}

// Small files

const FILES = sized(10_000);
const bytes = crypto.getRandomValues(new Uint8Array(4_096));
const small = Array.from(
  { length: FILES },
  (_, i) => `${directory}/small-${i}`,
);
for (const path of small) Deno.writeFileSync(path, bytes);
const runner = new AsyncRunner({ maxWorkers: 16 });

group = `${FILES} files of 4 KiB, read`;
Deno.bench(
  "asyncReadFile, 16 at once",
  { group, n, warmup, baseline: true },
  async () => {
    await inLoops(small, 16, (path) => asyncReadFile(path, { as: "bytes" }));
  },
);
Deno.bench("Deno.readFile, 16 at once", { group, n, warmup }, async () => {
  await inLoops(small, 16, (path) => Deno.readFile(path));
});
Deno.bench("readAll", { group, n, warmup }, async () => {
  await readAll(small, { as: "bytes" }).drain();
});
Deno.bench("readAll through a runner", { group, n, warmup }, async () => {
  await readAll(small, { as: "bytes", runner }).drain();
});
Deno.bench("Promise.all of Deno.readFile", { group, n, warmup }, async () => {
  await Promise.all(small.map((path) => Deno.readFile(path)));
});
Deno.bench("Deno.readFile, one by one", { group, n, warmup }, async () => {
  for (const path of small) await Deno.readFile(path);
});

/** One round over files in a fresh directory, which is not measured; `isThere`: over files that exist. */
function writing(
  place: Place,
  name: string,
  isThere: boolean,
  baseline: boolean,
  write: (path: string) => Promise<unknown>,
): void {
  group = `${FILES} files of 4 KiB, ${
    isThere ? "replaced" : "new"
  }, 16 at once, without fsync, ${place.name}`;
  Deno.bench(name, { group, n, warmup, baseline }, async (b) => {
    const root = Deno.makeTempDirSync({ dir: place.path });
    const paths = small.map((_, i) => `${root}/${i}`);
    if (isThere) { for (const path of paths) Deno.writeFileSync(path, bytes); }
    b.start();
    await inLoops(paths, 16, write);
    b.end();
    Deno.removeSync(root, { recursive: true });
  });
}

interface Place {
  name: string;
  path: string;
}

// In memory there is no journal: what remains is what the calls cost. On ext4 the file system makes a
// rename over a file wait for the new file's data, with whatever tool.
const places: Place[] = [{ name: "on disk", path: directory }];
if (Deno.build.os === "linux") {
  places.push({ name: "in memory", path: "/dev/shm" });
}

const buffer = Buffer.from(bytes);
for (const place of places) {
  for (const isThere of [false, true]) {
    writing(
      place,
      "asyncWriteFile, atomic",
      isThere,
      true,
      (path) => asyncWriteFile(path, bytes, { atomic: true, fsync: false }),
    );
    writing(
      place,
      "Deno.writeFile (not atomic)",
      isThere,
      false,
      (path) => Deno.writeFile(path, bytes),
    );
    writing(
      place,
      "asyncWriteFile (not atomic)",
      isThere,
      false,
      (path) => asyncWriteFile(path, bytes),
    );
    writing(
      place,
      "bare temporary file and rename",
      isThere,
      false,
      async (path) => {
        await Deno.writeFile(`${path}.tmp`, bytes);
        await Deno.rename(`${path}.tmp`, path);
      },
    );
    writing(
      place,
      "write-file-atomic",
      isThere,
      false,
      (path) => writeFileAtomic(path, buffer, { fsync: false }),
    );
  }
}

const durable = small.slice(0, isFull ? 1_000 : 200);
group = `${durable.length} files of 4 KiB, replaced 16 at once, with fsync`;
Deno.bench("asyncWriteFile, atomic (file and directory)", {
  group,
  n,
  warmup,
  baseline: true,
}, async () => {
  await inLoops(
    durable,
    16,
    (path) => asyncWriteFile(path, bytes, { atomic: true }),
  );
});
Deno.bench("write-file-atomic (file only)", { group, n, warmup }, async () => {
  await inLoops(durable, 16, (path) => writeFileAtomic(path, buffer));
});

// Many small writes

const WRITES = sized(1_000_000);
const text = `${"x".repeat(99)}\n`;
group = `${WRITES} writes of 100 bytes`;
Deno.bench(
  "AsyncFileWriter",
  { group, n, warmup, baseline: true },
  async () => {
    await using writer = new AsyncFileWriter(`${directory}/writes`);
    for (let i = 0; i < WRITES; i++) await writer.write(text);
  },
);
Deno.bench("FsFile.writable (loses errors)", { group, n, warmup }, async () => {
  const file = await Deno.create(`${directory}/writes`);
  const writer = file.writable.getWriter();
  const encoded = new TextEncoder().encode(text);
  for (let i = 0; i < WRITES; i++) await writer.write(encoded);
  await writer.close();
});
Deno.bench("node:fs createWriteStream", { group, n, warmup }, async () => {
  const stream = createWriteStream(`${directory}/writes`);
  for (let i = 0; i < WRITES; i++) {
    if (!stream.write(text)) {
      await new Promise<void>((resolve) =>
        stream.once("drain", () => resolve())
      );
    }
  }
  await new Promise<void>((resolve) => stream.end(() => resolve()));
});

// Copies and hashes

const large = `${directory}/large`;
const LARGE = sized(1e9);
writeRandom(large, LARGE);
group = `copy of ${megabytes(LARGE)}`;
Deno.bench("asyncCopyFile", { group, n, warmup, baseline: true }, async () => {
  await asyncCopyFile(large, `${directory}/copy`);
});
Deno.bench(
  "asyncCopyFile with progress and signal",
  { group, n, warmup },
  async () => {
    await asyncCopyFile(large, `${directory}/copy`, {
      onProgress() {},
      signal: new AbortController().signal,
    });
  },
);
Deno.bench("Deno.copyFile", { group, n, warmup }, async () => {
  await Deno.copyFile(large, `${directory}/copy`);
});
Deno.bench(
  "cp",
  { group, n, warmup },
  async () => await command("cp", large, `${directory}/copy`),
);

group = `SHA-256 of ${megabytes(sized(500e6))}`;
Deno.bench("asyncHashFile", { group, n, warmup, baseline: true }, async () => {
  await asyncHashFile(lines);
});
Deno.bench("openssl dgst -sha256", { group, n, warmup }, async () => {
  await command("openssl", "dgst", "-sha256", lines);
});
Deno.bench("crypto.subtle.digest of the whole file in memory", {
  group,
  n,
  warmup,
}, async () => {
  await crypto.subtle.digest("SHA-256", await Deno.readFile(lines));
});

// Watching: the time from a write to its event

group = "watching: a write until its event, 20 times";
Deno.bench("AsyncDirectoryWatcher, debounce 0", {
  group,
  n,
  warmup,
  baseline: true,
}, async () => {
  await using watcher = new AsyncDirectoryWatcher(directory, {
    patterns: "watched",
    recursive: false,
    debounce: 0,
  });
  await watcher.ready;
  const events = watcher.watch()[Symbol.asyncIterator]();
  for (let i = 0; i < 20; i++) {
    Deno.writeTextFileSync(`${directory}/watched`, "x".repeat(i));
    await events.next();
  }
  await events.return?.();
});
Deno.bench("Deno.watchFs", { group, n, warmup }, async () => {
  using watcher = Deno.watchFs(directory, { recursive: false });
  const events = watcher[Symbol.asyncIterator]();
  for (let i = 0; i < 20; i++) {
    Deno.writeTextFileSync(`${directory}/watched`, "x".repeat(i));
    while ((await events.next()).value?.kind === "access");
  }
});
