/**
 * What docs/RELIABILITY.md says of every test, "nothing is left", is only true while deno.json and
 * the tests leave Deno's sanitizers on: by default they are off.
 *
 * @module
 */
import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { walk } from "@std/fs";
import { fromFileUrl, relative } from "@std/path";
import { TemporaryDirectory } from "../support/temporary_directory.ts";
import { testWith } from "../support/permissions.ts";

const root = new URL("../../", import.meta.url);

testWith(
  ["read", "write", "run"],
  "deno.json makes a test fail that leaves a file open, a timer running and an operation pending, and names all three",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const leaking = await directory.write(
      "leaking_test.ts",
      // The listener is opened outside, so that what accept() leaves is the operation alone.
      `const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
       Deno.test("leaks", () => {
         Deno.openSync(new URL(import.meta.url));
         setTimeout(() => {}, 60_000);
         listener.accept();
       });`,
    );
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        `--config=${fromFileUrl(new URL("deno.json", root))}`,
        "--allow-read",
        "--allow-net=127.0.0.1",
        leaking,
      ],
      env: { NO_COLOR: "1" },
      stdin: "null",
      signal: AbortSignal.timeout(60_000),
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertNotEquals(code, 0, said);
    for (const leak of ["A file", "A timer", "An async operation to accept"]) {
      assertStringIncludes(said, `  - ${leak}`);
    }
  },
);

testWith(["read"], "no test turns its sanitizers off", async () => {
  const files = walk(fromFileUrl(root), {
    exts: [".ts", ".md"],
    skip: [/[\\/](\.git|node_modules|coverage)[\\/]/],
  });
  const found: string[] = [];
  for await (const { path } of files) {
    // A step may turn them off as well as a test.
    if (
      /sanitize(Ops|Resources|Exit): *false/.test(await Deno.readTextFile(path))
    ) {
      found.push(relative(fromFileUrl(root), path));
    }
  }
  assertEquals(found, []);
});
