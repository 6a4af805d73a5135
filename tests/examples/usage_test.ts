/**
 * What the examples say to words that they do not know.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";

testWith(
  ["read", "run"],
  "the examples that take arguments say how they are used when they get others",
  async () => {
    const names = [
      "cluster.ts",
      "log_analysis.ts",
      "one_scheduler.ts",
      "watch_and_build.ts",
      "worker_hashing.ts",
    ];
    for (const name of names) {
      const permissions = ["--allow-read", "--allow-env", "--allow-sys"];
      const { code, stderr } = await runExample(name, permissions, ["--help"]);
      assertEquals(code, 2, `${name}: ${stderr}`);
      assertMatch(stderr, new RegExp(`^Usage: ${name} `));
    }
  },
);
