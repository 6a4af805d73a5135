/**
 * What the examples say to words that they do not know, and to a directory that is not there.
 *
 * @module
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

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

testWith(
  ["read", "write", "run"],
  "the examples that take a directory say in one line that it is not there",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const missing = directory.path("missing");
    const output = directory.path("output");
    const calls = [
      ["cluster.ts", missing],
      ["log_analysis.ts", missing, output],
      ["watch_and_build.ts", missing, output],
      ["worker_hashing.ts", missing],
    ] as const;
    const permissions = ["read", "write", "env", "sys"].map((name) =>
      `--allow-${name}`
    );
    for (const [name, ...words] of calls) {
      const { code, stderr } = await runExample(name, permissions, words);
      assertEquals(code, 1, `${name}: ${stderr}`);
      const [line = "", ...more] = stderr.split("\n");
      assertStringIncludes(line, missing);
      assertEquals(more, [""], stderr);
    }
  },
);

testWith(
  ["read", "run"],
  "cluster.ts says in one line that no Redis answers, and starts no worker",
  async () => {
    // Nothing listens there: port 1 is never given out.
    const env = { REDIS_URL: "redis://127.0.0.1:1" };
    const permissions = ["--allow-read", "--allow-env", "--allow-sys"];
    const { code, stderr } = await runExample(
      "cluster.ts",
      [...permissions, "--allow-net=127.0.0.1"],
      ["examples", "3"],
      { env, cwd: new URL("../../", import.meta.url).pathname },
    );
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^Error: No Redis answers at REDIS_URL .*\n$/);
  },
);
