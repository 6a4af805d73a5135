import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/pipeline.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "a download, files and a pipeline have spans under their task, in one trace",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    const [scope] = receiver.named("scope");
    assert(scope);
    const only = (name: string) => {
      const [span, ...others] = receiver.named(name);
      assert(span, `no span ${name}`);
      assertEquals(others, []);
      assertEquals(span.traceId, scope.traceId);
      return span;
    };
    const task = only("task");
    assertEquals(receiver.parentOf(task), scope);
    const sizes = ["download", "read", "write", "copy"].map((operation) => {
      const span = only(`file.${operation}`);
      assertEquals(receiver.parentOf(span), task);
      return span.attributes["file.size"];
    });
    assertEquals(sizes, [13, 13, 3, 3]);
    const calls = receiver.named("http.request");
    assert(calls.length > 0);
    for (const call of calls) {
      assertEquals(receiver.parentOf(call), only("file.download"));
    }
    const pipeline = only("stream.pipeline");
    assertEquals(receiver.parentOf(pipeline), task);
    assertEquals(pipeline.events, ["stage", "stage"]);
    // What a stage does is under the pipeline.
    const measured = receiver.named("measure");
    assertEquals(measured.length, 3);
    for (const span of measured) {
      assertEquals(receiver.parentOf(span), pipeline);
    }
    const ours = receiver.spans.filter(({ attributes }) =>
      attributes["url.query"] === undefined
    );
    assert(!JSON.stringify(ours).includes("SECRET"));
  },
);
