import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { AsyncFileReader, JsonLineError } from "../../../file/mod.ts";
import { jsonErrorIndex } from "../../../file/read/json_lines.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

testWith(
  ["read", "write"],
  "AsyncFileReader.streamJson() yields a value for each line and leaves out blank ones",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using reader = new AsyncFileReader(
      await directory.write(
        "data",
        '\ufeff{"a":1}\r\n\n[2]\n  \n"three"\nnull',
      ),
    );
    assertEquals(await collect(reader.streamJson()), [
      { a: 1 },
      [2],
      "three",
      null,
    ]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamJson() tells line and column of a bad line 1,000,000, and goes on when asked",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write(
      "data",
      `${'{"n":1}\n'.repeat(999_999)}{"n": oops}\n{"n":2}\n`,
    );
    await using reader = new AsyncFileReader(path);
    let count = 0;
    const error = await assertRejects(async () => {
      for await (const _ of reader.streamJson()) count++;
    }, JsonLineError);
    assertEquals(count, 999_999);
    assertEquals([error.line, error.column], [1_000_000, 7]);
    assert(error.cause instanceof SyntaxError);
    let skipped = 0;
    for await (const _ of reader.streamJson({ onError: "skip" })) skipped++;
    assertEquals(skipped, 1_000_000);
    const told: number[] = [];
    for await (
      const _ of reader.streamJson({
        onError: (error) => told.push(error.line),
      })
    );
    assertEquals(told, [1_000_000]);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamJson() fails with what onError throws",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const bad = new AsyncFileReader(await directory.write("bad", "[\n"));
    const late = new Error("late");
    const failed = await bad.streamJson({
      onError: () => Promise.reject(late) as unknown as void,
    }).collect().catch((error) => error);
    assertEquals(failed, late);
    await using reader = new AsyncFileReader(
      await directory.write("data", "1\nx\n"),
    );
    await assertRejects(
      () =>
        collect(reader.streamJson({
          onError: () => {
            throw new TypeError("enough");
          },
        })),
      TypeError,
      "enough",
    );
    assertThrows(
      () => reader.streamJson({ onError: "never" as "skip" }),
      TypeError,
      "onError",
    );
  },
);

Deno.test("jsonErrorIndex() finds where a text stops being JSON", () => {
  const cases: [string, number][] = [
    ['{"a":}', 5],
    ['{"a" 1}', 5],
    ["[1,2", 4],
    ["[1 2]", 3],
    ["[1,]", 3],
    ['{"a":1,}', 7],
    ["tru", 0],
    ["01", 1],
    ['"abc', 4],
    ['"a\tb"', 2],
    ['"a\\x"', 2],
    ["{} x", 3],
    ["", 0],
    ["[[[[", 4],
  ];
  for (const [text, index] of cases) {
    assertEquals(jsonErrorIndex(text), index, text);
  }
});

Deno.test("jsonErrorIndex() points into the damage when valid JSON is cut off", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (text, at) => {
      const cut = text.slice(0, at % text.length);
      try {
        JSON.parse(cut);
      } catch {
        assert(jsonErrorIndex(cut) <= cut.length);
        // Whole again, nothing is wrong before the cut.
        assertEquals(jsonErrorIndex(text), text.length);
      }
    }),
    { numRuns: 500, seed: 3 },
  );
});
