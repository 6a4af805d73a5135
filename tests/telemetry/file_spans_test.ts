import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/files.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "each writer, each reading and each walk has one span, with what it did and how it ended",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    const [root] = receiver.named("program");
    assert(root);
    const ended = (name: string, detail: string) => {
      return receiver.named(name).map((span) => {
        assertEquals(receiver.parentOf(span), root, name);
        const { attributes, isError } = span;
        const error = isError ? attributes["error.type"] : undefined;
        const cancelled = attributes["async_core.cancelled"];
        return [attributes[detail], error ?? (cancelled && "cancelled")];
      });
    };
    assertEquals(ended("file.write", "file.size"), [
      [14, undefined],
      [2, undefined],
      [10, "cancelled"],
      [0, "NotFound"],
    ]);
    assertEquals(ended("file.read", "file.size"), [
      [14, undefined], // read()
      [14, undefined], // streamLines()
      [10, undefined], // a part
      [14, undefined], // left early
      [14, "JsonLineError"],
    ]);
    assertEquals(ended("file.tail", "async_core.tail.lines"), [[2, undefined]]);
    assertEquals(ended("file.hash", "file.size"), [[14, undefined]]);
    assertEquals(ended("file.walk", "async_core.walk.entries"), [
      [2, undefined],
      [2, undefined],
      [0, "NotFound"],
      [0, "cancelled"],
    ]);
    // The directories that a runner reads are under the walk.
    const [, withRunner] = receiver.named("file.walk");
    const tasks = receiver.named("task");
    assert(tasks.length > 0);
    for (const task of tasks) {
      assertEquals(receiver.parentOf(task), withRunner);
    }
    // What the consumer does is under its own span, not the walk's.
    const entries = receiver.named("entry");
    assertEquals(entries.length, 2);
    for (const entry of entries) assertEquals(receiver.parentOf(entry), root);
    assert(!JSON.stringify(receiver.spans).includes("never seen"));
  },
);
