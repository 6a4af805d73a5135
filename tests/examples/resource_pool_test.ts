import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Bank } from "../../examples/resource_pool.ts";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

testWith(
  ["read", "write", "run"],
  "resource_pool.ts runs transactions that never mix, on one writer and four readers",
  async () => {
    const { code, stdout, stderr } = await runExample("resource_pool.ts", [
      "--allow-read",
      "--allow-write",
    ]);
    assertEquals([code, stderr], [0, ""]);
    const [, done, refused] = /(\d+) transfers\n(\d+) refused/.exec(stdout) ??
      [];
    assertEquals(Number(done) + Number(refused), 200);
    assertGreater(Number(refused), 0);
    assertEquals(/Totals seen: (.*)/.exec(stdout)?.[1], "1000");
    assertEquals(
      /Connections: (.*)/.exec(stdout)?.[1],
      "{ readers: 4, writers: 1 }",
    );
  },
);

testWith(
  ["read", "write"],
  "resource_pool: a refused transfer changes nothing, and its connection is used again",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using bank = new Bank(directory.path("bank.sqlite"), 2);
    await assertRejects(() => bank.transfer(0, 1, 101), Error, "CHECK");
    assertEquals(await bank.total(), 200);
    await bank.transfer(0, 1, 100);
    assertEquals(await bank.total(), 200);
    assertEquals(bank.connections, { readers: 1, writers: 1 });
  },
);
