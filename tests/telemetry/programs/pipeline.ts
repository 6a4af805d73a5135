/** One task that downloads, reads, sends what it read through a pipeline, writes and copies. */
import { asyncDownload } from "../../../http/mod.ts";
import {
  asyncCopyFile,
  asyncReadFile,
  asyncWriteFile,
} from "../../../file/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { asyncFilter, asyncMap, AsyncPipeline } from "../../../streams/mod.ts";
import { span } from "../../../telemetry/mod.ts";

const root = await Deno.makeTempDir();
await using server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen() {} },
  () => new Response("one\ntwo\nthree"),
);
await using runner = new AsyncRunner({ maxWorkers: 1 });
await runner.scope(async (scope) => {
  await scope.submit(async () => {
    const url = `http://127.0.0.1:${server.addr.port}/?token=SECRET`;
    await asyncDownload(url, `${root}/raw`);
    const text = await asyncReadFile(`${root}/raw`);
    const pipeline = new AsyncPipeline<string>()
      .addStage(
        asyncMap((line) => span("measure", {}, () => line.length)),
        { name: "measure" },
      )
      .addStage(asyncFilter((length) => length < 4), { name: "short" });
    const lengths = await pipeline.process(text.split("\n"));
    await asyncWriteFile(`${root}/out`, lengths.join(), { atomic: true });
    await asyncCopyFile(`${root}/out`, `${root}/copy`);
  }, { name: "work" });
});
await Deno.remove(root, { recursive: true });
