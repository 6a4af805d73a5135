/**
 * A process that replaces files again and again until it is killed: the file of each way (see `ways`)
 * in a directory of its own, all at the same time. Its argument is the directory around them.
 *
 * @module
 */
import { asyncCopyFile } from "../../file/copy/copy.ts";
import { asyncWriteFile } from "../../file/write/write_file.ts";
import { AsyncFileWriter } from "../../file/write/writer.ts";

const SIZE = 300_000;

/** The ways to replace a file as a whole, by name. */
const ways: Record<string, (path: string, content: string) => Promise<void>> = {
  content: (path, content) =>
    asyncWriteFile(path, content, { atomic: true, fsync: false }),
  durable: (path, content) => asyncWriteFile(path, content, { atomic: true }),
  writer: async (path, content) => {
    await using writer = new AsyncFileWriter(path, {
      atomic: true,
      fsync: false,
    });
    for (let at = 0; at < SIZE; at += SIZE / 10) {
      await writer.write(content.slice(at, at + SIZE / 10));
      await writer.flush();
    }
    await writer.close();
  },
  copy: async (path, content) => {
    // Beside the directory, whose files are counted.
    const source = `${Deno.args[0]}/source`;
    await Deno.writeTextFile(source, content);
    await asyncCopyFile(source, path, { onProgress() {} });
  },
};

async function replaceForEver(name: string, isDone: () => void): Promise<void> {
  // Defined above for each name that is asked for.
  const way = ways[name] as (path: string, content: string) => Promise<void>;
  for (let round = 0;; round++) {
    await way(
      `${Deno.args[0]}/${name}/file`,
      "abcdefgh"[round % 8]!.repeat(SIZE),
    );
    if (round === 0) isDone();
  }
}

let started = 0;
const names = Object.keys(ways);
await Promise.all(names.map((name) =>
  replaceForEver(name, () => {
    if (++started === names.length) console.log("ready");
  })
));
