/**
 * A process that replaces a file again and again until it is killed: arguments are the path and how
 * ("content", "writer", "durable").
 *
 * @module
 */
import { AsyncFileWriter, asyncWriteFile } from "../../file/mod.ts";

const [path = "", way = "content"] = Deno.args;
const SIZE = 300_000;

for (let round = 0;; round++) {
  const content = "abcdefgh"[round % 8]!.repeat(SIZE);
  if (way === "writer") {
    await using writer = new AsyncFileWriter(path, {
      atomic: true,
      fsync: false,
    });
    for (let at = 0; at < SIZE; at += SIZE / 10) {
      await writer.write(content.slice(at, at + SIZE / 10));
      await writer.flush();
    }
    await writer.close();
  } else {
    await asyncWriteFile(path, content, {
      atomic: true,
      fsync: way === "durable",
    });
  }
  if (round === 0) console.log("ready");
}
