import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { callApi } from "../../examples/rate_limited_api.ts";
import { serveApi } from "../../examples/rate_limited_api/api.ts";
import { testWith } from "../support/permissions.ts";

testWith(
  ["net"],
  "rate_limited_api.ts keeps to the limits, retries what is busy and leaves alone what is down",
  async () => {
    await using api = serveApi();
    const { signal } = new AbortController();
    const calls = 20;
    const customers = ["ada", "bob", "cyd"];
    const summary = await callApi(api.url, customers, calls, signal);
    assertEquals(summary.answered, customers.length * calls);
    assertEquals(api.answers.get(200), customers.length * calls);
    // What is down was tried until its breaker opened, and after that no more.
    assertEquals(summary.refused + summary.failed, calls);
    assertGreater(summary.refused, calls / 2);
    assertLessOrEqual(api.askedWhileDown, 6); // 5 failures, 2 calls at a time
    assertGreater(summary.retries, 10);
    assertEquals(api.mostPerCustomer, 2);
    // 80 calls at 50 in any half second.
    assertGreater(summary.took, 500);
  },
);
