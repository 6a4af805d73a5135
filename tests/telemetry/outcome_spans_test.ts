import { assertEquals } from "@std/assert";
import { span } from "../../telemetry/mod.ts";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/outcomes.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "a span ends and hides no error, whatever is thrown; what its signal ended is no error",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    for (const name of ["throws", "rejects", "task"]) {
      assertEquals(
        receiver.named(name).map(({ attributes, isError }) => [
          isError,
          attributes["error.type"],
        ]),
        ["undefined", "object", "object", "string"].map((type) => [true, type]),
        name,
      );
    }
    assertEquals(receiver.named("thenable").map((one) => one.isError), [false]);
    const cancelled = ["copy", "read", "write", "hash", "download"]
      .map((operation) => `file.${operation}`);
    for (const name of [...cancelled, "scope"]) {
      assertEquals(
        receiver.named(name).filter(({ isError }) => !isError)
          .map(({ attributes }) => attributes["async_core.cancelled"]),
        [true],
        name,
      );
    }
    assertEquals(
      ["file.copy", "file.hash", "file.download", "scope"].map((name) =>
        receiver.named(name).find(({ isError }) => isError)
          ?.attributes["error.type"]
      ),
      ["NotFound", "NotFound", "InvalidRequestError", "TypeError"],
    );
  },
);

Deno.test("span() gives a promise for a thenable, with and without a provider", async () => {
  const thenable = { then: (resolve: (n: number) => void) => resolve(5) };
  const result = span("op", {}, () => thenable as PromiseLike<number>);
  assertEquals([result instanceof Promise, await result], [true, 5]);
});
