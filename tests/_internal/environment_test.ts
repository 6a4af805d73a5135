/**
 * Reading the environment without asking for it.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  environmentNumber,
  readEnvironment,
} from "../../_internal/environment.ts";
import { testWith } from "../support/permissions.ts";

const VARIABLE = "SPECIFY_ASYNC_TEST_OF_ENVIRONMENT";

/** Sets the variable for the length of a block. */
function set(value: string): Disposable {
  Deno.env.set(VARIABLE, value);
  return { [Symbol.dispose]: () => Deno.env.delete(VARIABLE) };
}

testWith(
  ["env"],
  "readEnvironment() gives the value, and undefined for unset, empty and blank",
  () => {
    assertEquals(readEnvironment(VARIABLE), undefined);
    for (
      const [value, expected] of [["7", "7"], ["", undefined], [
        "  ",
        undefined,
      ]]
    ) {
      using _ = set(value ?? "");
      assertEquals(readEnvironment(VARIABLE), expected);
    }
  },
);

testWith(
  ["env"],
  "environmentNumber() reads numbers and names what is none",
  () => {
    assertEquals(environmentNumber(VARIABLE, 5, { least: 1, whole: true }), 5);
    for (
      const [text, whole, expected] of [
        ["12", true, 12],
        [" 12 ", true, 12],
        ["1e3", true, 1000],
        ["0.5", false, 0.5],
      ] as const
    ) {
      using _ = set(text);
      assertEquals(
        environmentNumber(VARIABLE, 5, { least: 0, whole }),
        expected,
      );
    }
    for (
      const [text, least, whole] of [
        ["ten", 0, true],
        ["1.5", 0, true],
        ["-1", 0, true],
        ["0", 1, true],
        ["NaN", 0, false],
        ["Infinity", 0, false],
        ["12ms", 0, false],
      ] as const
    ) {
      using _ = set(text);
      assertThrows(
        () => environmentNumber(VARIABLE, 5, { least, whole }),
        RangeError,
        `The environment variable ${VARIABLE} must be ${
          whole ? "a whole number" : "a number"
        } of at least ${least}, got "${text}". Correct it or unset it.`,
      );
    }
  },
);

testWith(
  ["env", "run", "read"],
  "environmentNumber() gives the default without the permission, and never prompts",
  async () => {
    const module = new URL("../../_internal/environment.ts", import.meta.url);
    const program = `
      import { environmentNumber } from ${JSON.stringify(module.href)};
      console.log(environmentNumber(${
      JSON.stringify(VARIABLE)
    }, 5, { least: 1, whole: true }));`;
    const run = async (...flags: string[]) => {
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          ...flags,
          `data:application/typescript,${encodeURIComponent(program)}`,
        ],
        env: { [VARIABLE]: "7" },
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      return decoder.decode(stdout).trim() + decoder.decode(stderr);
    };
    assertEquals(await run(), "5");
    assertEquals(await run("--deny-env"), "5");
    assertEquals(await run(`--allow-env=${VARIABLE}`), "7");
  },
);
