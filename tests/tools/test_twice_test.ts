/**
 * What is run once more, and what counts; on outputs that `deno test --parallel --quiet` has printed.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { readOutcome, testTwice } from "../../tools/test_twice.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";
import { testWith } from "../support/permissions.ts";

const root = new URL("../../", import.meta.url);

// The second test was defined through a helper: what follows FAILURES names that, not the test's file.
// The last two show why nothing is read from the messages, and why not from what a name looks like.
const FAILED = String.raw`
./tests/a/fail_test.ts => own => fails ... FAILED (5ms)
./tests/a/fail_test.ts => with a helper ... FAILED (173µs)
./tests/a/fail_test.ts => steps ... inner ... FAILED (0ms)
./tests/a/fail_test.ts => steps ... FAILED (due to 1 failed step) (852µs)
Uncaught error from ./tests/a/load_test.ts FAILED
./tests/a/ok_test.ts => ok ... ok (282µs)
./tests/a/ok_test.ts => ign ... ignored (0ms)
Uncaught error from ./tests/a/uncaught_test.ts FAILED
./tests/a/uncaught_test.ts => uncaught ... cancelled (0ms)
./docs/a.md#3-7.ts => file:///a/docs/a.md#3-7.ts ... FAILED (630µs)
./mod.ts#12-20.ts => file:///a/mod.ts#12-20.ts ... FAILED (814µs)
./tests/a/lines_test.ts => fails\nin two ... step ... ok (1ms)
./tests/a/lines_test.ts => fails\nin two ... FAILED (931µs)
./tests/a/ok_test.ts => says ... FAILED (in its name) ... ok (1ms)

 ERRORS 

with a helper => ./tests/support/permissions.ts:31:8
error: Error: what another run had printed:
./tests/b/other_test.ts => other ... FAILED (1ms)
FAILED | 20 passed | 7 failed (3s)

 FAILURES 

with a helper => ./tests/support/permissions.ts:31:8
./tests/a/load_test.ts (uncaught error)

FAILED | 2 passed (1 step) | 9 failed (1 step) | 1 ignored (3s)

`;
const FAILED_FILES = [
  "./tests/a/fail_test.ts",
  "./tests/a/load_test.ts",
  "./tests/a/uncaught_test.ts",
  "./docs/a.md",
  "./mod.ts",
  "./tests/a/lines_test.ts",
];
const PASSED = `
./tests/a/ok_test.ts => ok ... ok (282µs)

ok | 1 passed (4 steps) | 0 failed | 2 ignored (284ms)

`;

Deno.test("readOutcome() counts the tests, and finds the file of each failure", () => {
  assertEquals(readOutcome(FAILED), {
    passed: 2,
    failed: 9,
    files: FAILED_FILES,
  });
  assertEquals(
    readOutcome(FAILED.replaceAll("\n", "\r\n")).files,
    FAILED_FILES,
  );
  assertEquals(readOutcome(PASSED), { passed: 1, failed: 0, files: [] });
});

Deno.test("readOutcome() names no file when some failure would stay unexplained, or the run did not end", () => {
  const unexplained = FAILED.replace(/^Uncaught .*load_test.*\n/m, "");
  assertEquals(readOutcome(unexplained), { passed: 2, failed: 9, files: [] });
  const [results = ""] = FAILED.split("\n\n ERRORS");
  assertEquals(readOutcome(results), { passed: 0, failed: 0, files: [] });
  const typeError = "TS2367 [ERROR]: …\n\nFound 2 errors.\n";
  assertEquals(readOutcome(typeError), { passed: 0, failed: 0, files: [] });
});

Deno.test("testTwice() runs each file that failed once more, alone, and names those that pass then", async () => {
  const ran: (string | undefined)[] = [];
  const verdict = await testTwice((file) => {
    ran.push(file);
    const success = file !== undefined && file !== "./docs/a.md";
    const output = file === undefined
      ? FAILED
      : success
      ? PASSED
      : "FAILED | 3 passed | 2 failed (1s)";
    return Promise.resolve({ success, output });
  });
  assertEquals(ran, [undefined, ...FAILED_FILES]);
  assertEquals(verdict, {
    passed: 9,
    failed: 2,
    flaky: FAILED_FILES.filter((file) => file !== "./docs/a.md"),
  });
});

Deno.test("testTwice() counts a file that does not even end the second time as one failure", async () => {
  const verdict = await testTwice((file) =>
    Promise.resolve({
      success: false,
      output: file === undefined
        ? "./a_test.ts => a ... FAILED (1ms)\n\nFAILED | 5 passed | 1 failed (1s)"
        : "",
    })
  );
  assertEquals(verdict, { passed: 5, failed: 1, flaky: [] });
});

Deno.test("testTwice() runs nothing again when all passed, or when no file is named", async () => {
  let runs = 0;
  const once = (success: boolean, output: string) =>
    testTwice(() => {
      runs++;
      return Promise.resolve({ success, output });
    });
  assertEquals(await once(true, PASSED), { passed: 1, failed: 0, flaky: [] });
  // Type-checked and all passed, and yet the exit code says that something was wrong.
  assertEquals(await once(false, PASSED), { passed: 1, failed: 1, flaky: [] });
  assertEquals(await once(false, ""), { passed: 0, failed: 1, flaky: [] });
  assertEquals(runs, 3);
});

testWith(
  ["read", "write", "run"],
  "test_twice.ts passes with a flaky file and names it, and fails with one that fails twice",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await directory.write("deno.json", "{}");
    // Through a helper of another file, as most tests here are.
    await directory.write(
      "helper.ts",
      "export const test = (name: string, fn: () => void) => Deno.test(name, fn);",
    );
    await directory.write(
      "flaky_test.ts",
      `import { test } from "./helper.ts";
       test("finds what it has left", () => {
         const left = new URL("left", import.meta.url);
         try {
           Deno.statSync(left);
         } catch (error) {
           Deno.writeTextFileSync(left, "");
           throw error;
         }
       });`,
    );
    await directory.write("ok_test.ts", `Deno.test("ok", () => {});`);
    const run = async () => {
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--allow-run",
          `--config=${fromFileUrl(new URL("deno.json", root))}`,
          fromFileUrl(new URL("tools/test_twice.ts", root)),
          Deno.execPath(),
          ..."test --allow-all --parallel --quiet".split(" "),
        ],
        cwd: directory.root,
        stdin: "null",
        signal: AbortSignal.timeout(60_000),
      }).output();
      const lines = new TextDecoder().decode(stdout).split("\n");
      return { code, last: lines.slice(-3, -1) };
    };
    assertEquals(await run(), {
      code: 0,
      last: ["flaky: ./flaky_test.ts", "2 passed, 0 failed"],
    });
    assertEquals(await run(), { code: 0, last: ["", "2 passed, 0 failed"] });
    await directory.write(
      "bad_test.ts",
      `Deno.test("bad", () => { throw 1; });`,
    );
    await Deno.remove(directory.path("left"));
    assertEquals(await run(), {
      code: 1,
      last: ["flaky: ./flaky_test.ts", "2 passed, 1 failed"],
    });
  },
);
