import { assertEquals, assertGreater, assertStrictEquals } from "@std/assert";
import { createHash, pbkdf2Sync } from "node:crypto";
import {
  countTicks,
  deriveKey,
  hashTree,
} from "../../examples/worker_hashing.ts";
import { AsyncRunner } from "../../mod.ts";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

testWith(
  ["read", "write"],
  "worker_hashing.ts hashes a tree and derives keys on other threads while this one stays free",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const expected = new Map<string, string>();
    for (let n = 0; n < 30; n++) {
      const content = `content ${n} `.repeat(n * 500);
      const path = await directory.write(`${n % 3}/${n}.txt`, content);
      expected.set(path, createHash("sha256").update(content).digest("hex"));
    }
    await using runner = new AsyncRunner({ maxWorkers: 4 });
    const own = pbkdf2Sync("password", "salt", 200_000, 32, "sha256");
    let most = 0;
    // Again when the system let this thread stand still meanwhile.
    for (let tries = 0; tries < 5 && most <= 5; tries++) {
      let key = "";
      const ticks = await countTicks(async () => {
        const hashing = hashTree(runner, directory.root);
        key = await deriveKey(runner, "password", "salt");
        assertEquals(await hashing, expected);
      });
      assertEquals(key, own.toString("hex"));
      most = Math.max(most, ticks);
    }
    assertGreater(most, 5);
  },
);

testWith(
  ["read", "write"],
  "worker_hashing: an abort ends the hashing, the threads and the walk",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (let n = 0; n < 40; n++) await directory.write(`${n}`, "x".repeat(1e5));
    const controller = new AbortController();
    const reason = new Error("enough");
    let settled = 0;
    await using runner = new AsyncRunner({
      maxWorkers: 2,
      observer: {
        settled: () => {
          if (++settled === 3) controller.abort(reason);
        },
      },
    });
    const error = await hashTree(runner, directory.root, controller.signal)
      .catch((error: unknown) => error);
    assertStrictEquals(error, reason);
  },
);

testWith(
  ["read", "write", "run"],
  "worker_hashing.ts needs nothing but to read",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("a", "a");
    const { code, stdout, stderr } = await runExample(
      "worker_hashing.ts",
      ["--allow-read"],
      [directory.root],
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout.split(";")[0], "1 files hashed");
  },
);
