/**
 * A worker that replaces a file as often as it is told, by content of its own letter, and says when
 * it is done.
 *
 * @module
 */
import { asyncWriteFile } from "../../file/write/write_file.ts";
import { AsyncFileWriter } from "../../file/write/writer.ts";

/** What the worker is to do. */
export interface Job {
  path: string;
  letter: string;
  times: number;
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(message: string): void;
};

scope.onmessage = async ({ data: { path, letter, times } }) => {
  const content = letter.repeat(50_000);
  const options = { atomic: true, fsync: false };
  for (let round = 0; round < times; round++) {
    if (round % 2 === 0) await asyncWriteFile(path, content, options);
    else {
      await using writer = new AsyncFileWriter(path, options);
      await writer.write(content);
      await writer.close();
    }
  }
  scope.postMessage("done");
};
