/**
 * What the HTTP module does when it is imported: nothing.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
// First: the imports are evaluated in their order.
import { randomCalls } from "../support/count_random.ts";
import { RetryPolicy } from "../../http/mod.ts";

const atImport = randomCalls();

Deno.test("the HTTP module asks for no random number when it is imported", () => {
  assertEquals(atImport, 0);
  new RetryPolicy().getJitteredDelay(1);
  assertEquals(randomCalls(), 1);
});
