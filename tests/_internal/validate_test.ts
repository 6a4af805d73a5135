/**
 * Checks of options.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  checkOptions,
  type Checks,
  duration,
  finiteDuration,
  functionNamed,
  integer,
  integerOrInfinity,
  numberBetween,
  required,
  show,
  word,
} from "../../_internal/validate.ts";

Deno.test("show() is short, says what was given, and never throws", () => {
  class Named {}
  const shown: [unknown, string][] = [
    ["a\nb", '"a\\nb"'],
    ["x".repeat(1000), `"${"x".repeat(80)}" and 920 characters more`],
    [5, "5"],
    [-0, "0"],
    [NaN, "NaN"],
    [5n, "5n"],
    [true, "true"],
    [undefined, "undefined"],
    [null, "null"],
    [Symbol("s"), "Symbol(s)"],
    [[1, 2], "an array"],
    [{}, "an object (Object)"],
    [new Named(), "an object (Named)"],
    [Object.create(null), "an object (no prototype)"],
    [show, "function show"],
    [() => {}, "function (anonymous)"],
    [
      {
        get constructor(): never {
          throw new Error("getter");
        },
      },
      "an object",
    ],
    [Object.assign(() => {}, {}), "function (anonymous)"],
    [
      new Proxy({}, {
        get() {
          throw new Error("trap");
        },
      }),
      "an object",
    ],
    [
      Object.defineProperty(() => {}, "name", { value: Symbol("name") }),
      "a function",
    ],
  ];
  for (const [value, text] of shown) assertEquals(show(value), text);
});

Deno.test("Checks return good values, and name option and value of bad ones", () => {
  assertEquals(integer("n", 3, 1), 3);
  assertEquals(integerOrInfinity("n", Infinity, 1), Infinity);
  assertEquals(integerOrInfinity("n", 0, 0), 0);
  assertEquals(duration("d", 0), 0);
  assertEquals(duration("d", Infinity), Infinity);
  assertEquals(finiteDuration("d", 0.5), 0.5);
  assertEquals(numberBetween(0, 1)("b", 1), 1);
  assertEquals(word("a", "b")("o", "a"), "a");
  assertEquals(functionNamed("f", show), show);

  const bad: [() => unknown, ErrorConstructor, string][] = [
    [
      () => integer("maxWorkers", -3, 1),
      RangeError,
      "maxWorkers must be a positive integer, got -3",
    ],
    [
      () => integer("n", 1.5, 0),
      RangeError,
      "n must be a non-negative integer, got 1.5",
    ],
    [
      () => integer("n", "3", 2),
      TypeError,
      'n must be an integer of at least 2, got "3"',
    ],
    [() => integer("n", Infinity, 1), RangeError, "got Infinity"],
    [() => integer("n", 2 ** 53, 1), RangeError, "got 9007199254740992"],
    [
      () => integerOrInfinity("n", 0, 1),
      RangeError,
      "n must be a positive integer or Infinity, got 0",
    ],
    [
      () => integerOrInfinity("n", -1, 0),
      RangeError,
      "a non-negative integer or Infinity",
    ],
    [
      () => integerOrInfinity("n", 1, 2),
      RangeError,
      "an integer of at least 2 or Infinity",
    ],
    [() => integerOrInfinity("n", -Infinity, 0), RangeError, "got -Infinity"],
    [
      () => duration("timeout", NaN),
      RangeError,
      "timeout must be a non-negative number of milliseconds (Infinity for none), got NaN",
    ],
    [() => duration("d", -1), RangeError, "got -1"],
    [() => duration("d", 5n), TypeError, "got 5n"],
    [() => finiteDuration("d", 0), RangeError, "a positive, finite number"],
    [() => finiteDuration("d", Infinity), RangeError, "got Infinity"],
    [() => finiteDuration("d", null), TypeError, "got null"],
    [
      () => numberBetween(0, 1)("b", 2),
      RangeError,
      "b must be a number from 0 to 1, got 2",
    ],
    [() => numberBetween(0, 1)("b", NaN), RangeError, "got NaN"],
    [
      () => word("a", "b")("o", "c"),
      RangeError,
      'o must be one of "a", "b", got "c"',
    ],
    [() => word("a")("o", 1), TypeError, "got 1"],
    [
      () => functionNamed("f", {}),
      TypeError,
      "f must be a function, got an object (Object)",
    ],
  ];
  for (const [check, kind, message] of bad) assertThrows(check, kind, message);
});

Deno.test("checkOptions() looks at what is no key of the options too: a class's getters, and what must be given", () => {
  const seen: unknown[] = [];
  const checks: Checks<{ size: unknown; other?: unknown }> = {
    size: required((name, value) => seen.push([name, value])),
    other: (name, value) => seen.push([name, value]),
  };
  class Given {
    get size(): unknown {
      return "large";
    }
    get other(): unknown {
      return 5;
    }
  }
  checkOptions("It", new Given(), checks);
  assertEquals(seen.splice(0), [["size", "large"], ["other", 5]]);
  checkOptions("It", Object.create({ size: "small" }), checks);
  assertEquals(seen.splice(0), [["size", "small"]]);
  checkOptions("It", {} as { size: unknown }, checks);
  checkOptions("It", { size: undefined }, checks);
  assertEquals(seen.splice(0), [["size", undefined], ["size", undefined]]);
  assertThrows(
    () => checkOptions("It", { size: 1, sise: 1 } as never, checks, "within"),
    TypeError,
    'It has no option "within.sise"; it takes within.size, within.other',
  );
});
