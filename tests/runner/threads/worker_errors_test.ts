/**
 * How what is thrown crosses from one thread to another.
 *
 * @module
 */
import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  packThrown,
  unpackThrown,
} from "../../../runner/threads/worker_errors.ts";

/** There and back, as `postMessage` does it. */
function sent(thrown: unknown): unknown {
  return unpackThrown(structuredClone(packThrown(thrown)), "fn of module");
}

Deno.test("an error from another thread shows its own fields and nothing else", () => {
  const thrown = Object.assign(new TypeError("wrong", { cause: "why" }), {
    name: "OwnError",
    status: 418,
  });
  const error = sent(thrown);
  assertInstanceOf(error, TypeError);
  assertEquals(Object.keys(error), ["status"]);
  assertEquals([error.name, error.cause], ["OwnError", "why"]);
  // As those of an error that was made here.
  error.name = "RenamedError";
  error.stack = "no stack";
  error.cause = undefined;
  assertEquals(String(error), "RenamedError: wrong");
});

Deno.test("an error from another thread has a stack that names where it came from, whatever it had", () => {
  const thrown = new Error("plain");
  thrown.stack = "Error: plain\n    at far away";
  const { stack } = sent(thrown) as Error;
  assertEquals(stack, "Error: plain\n    at far away\n    at fn of module");
  Object.assign(thrown, { stack: 7 });
  assertEquals(
    (sent(thrown) as Error).stack,
    "Error: plain\n    at fn of module",
  );
});

Deno.test("causes and errors of errors arrive eight deep, so that a circle ends", () => {
  const depthOf = (error: unknown, next: (error: Error) => unknown): number =>
    error instanceof Error ? 1 + depthOf(next(error), next) : 0;
  const circle = new Error("circle");
  circle.cause = circle;
  assertEquals(depthOf(sent(circle), ({ cause }) => cause), 9);
  const tree = new AggregateError([], "tree");
  tree.errors.push(tree);
  const first = (error: Error) => (error as AggregateError).errors?.[0];
  assertEquals(depthOf(sent(tree), first), 9);
});
