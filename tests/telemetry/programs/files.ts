/** Walks, reads, writes, hashes and follows files, in one span; fails and gives up at times. */
import {
  AsyncFileReader,
  AsyncFileWriter,
  asyncHashFile,
  asyncWriteFile,
  walkAsync,
} from "../../../file/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { span } from "../../../telemetry/mod.ts";

const root = await Deno.makeTempDir();
await using runner = new AsyncRunner({ maxWorkers: 2 });
await span("program", {}, async () => {
  {
    await using writer = new AsyncFileWriter(`${root}/lines`);
    await writer.writeLines(["one", "two", "three"]);
  }
  await asyncWriteFile(`${root}/pieces`, ["a", "b"]);
  const discarded = new AsyncFileWriter(`${root}/discarded`, { atomic: true });
  await discarded.write("never seen");
  await discarded.flush();
  await discarded.abort(new Error("given up"));
  const nowhere = new AsyncFileWriter(`${root}/no/where`);
  await nowhere.write("text");
  await nowhere.close().catch(() => {});

  await using reader = new AsyncFileReader(`${root}/lines`);
  await reader.read();
  await reader.streamLines().count();
  await reader.streamBytes({ start: 4 }).collect();
  for await (const _ of reader.streamLines()) break;
  await reader.streamJson().collect().catch(() => {});
  await reader.tail({ lines: 2 }).collect();
  await asyncHashFile(`${root}/lines`);

  await Deno.mkdir(`${root}/deep/er`, { recursive: true });
  await walkAsync(root).forEach(({ name }) =>
    span("entry", { name }, () => {})
  );
  await walkAsync(root, { runner, sort: true }).count();
  await walkAsync(`${root}/missing`).count().catch(() => {});
  const stopped = AbortSignal.abort(new Error("too late"));
  await walkAsync(root, { signal: stopped }).count().catch(() => {});
});
await Deno.remove(root, { recursive: true });
