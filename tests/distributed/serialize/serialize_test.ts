/**
 * What travels: it arrives as it was, or is refused with the path inside it.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  InputTooLargeError,
  NotSerializableError,
} from "@specify/async-distributed";
import { decode, unpackThrown } from "../../../distributed/serialize/decode.ts";
import { encode, packThrown } from "../../../distributed/serialize/encode.ts";
import { encodeWithin } from "../../../distributed/serialize/limit.ts";
import { readOutcome, writeReason } from "../../../distributed/outcome.ts";

function travel(value: unknown): unknown {
  return decode(JSON.parse(JSON.stringify(encode(value, "The value"))));
}

Deno.test("encode() and decode() give back Date, Map, Set, bytes, bigint, undefined and special numbers as they were", () => {
  const value = {
    date: new Date(1234),
    invalid: new Date(NaN),
    map: new Map<unknown, unknown>([["a", 1], [{ key: 1 }, new Date(5)]]),
    set: new Set([1, undefined, "x"]),
    bytes: new Uint8Array([0, 1, 255]),
    floats: new Float64Array([1.5, NaN]),
    buffer: new Uint8Array([7, 8]).buffer,
    big: 2n ** 80n,
    nothing: undefined,
    numbers: [NaN, Infinity, -Infinity, -0],
    url: new URL("https://example.com/a?b=c"),
    pattern: /a+b/gi,
    dollar: { $: "Date", v: 1 },
    list: [undefined, null, [new Date(1)]],
  };
  assertEquals(travel(value), value);
  assert(Object.is((travel({ n: -0 }) as { n: number }).n, -0));
});

Deno.test("encode() leaves plain JSON as it is, so that dashboards show it", () => {
  const plain = {
    path: "a.png",
    sizes: [1, 2.5],
    deep: { ok: true, none: null },
  };
  assertEquals(encode(plain, "The value"), plain);
});

Deno.test("decode(encode()) is the identity on whatever JSON and the built-in classes can hold", () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
        maxDepth: 4,
      }),
      (value) => assertEquals(travel(value), value),
    ),
    { numRuns: 300, seed: 7 },
  );
});

Deno.test("encode() refuses what cannot travel, and names the path inside the value", () => {
  const circle: { list: unknown[] } = { list: [1] };
  circle.list.push({ back: circle });
  const sparse = [1];
  sparse[2] = 3;
  class Point {
    x = 1;
  }
  const cases: [unknown, string, string][] = [
    [{ files: [1, { open: () => 1 }] }, "$.files[1].open", "a function"],
    [circle, "$.list[1].back", "circle"],
    [{ "a b": Symbol("s") }, '$["a b"]', "a symbol"],
    [{ at: new Point() }, "$.at", "Point"],
    [{ rows: sparse }, "$.rows[1]", "hole"],
    [new Map([["k", new WeakMap()]]), "$.k", "WeakMap"],
    [{ [Symbol("hidden")]: 1 }, "$", "symbol"],
  ];
  for (const [value, path, kind] of cases) {
    const error = assertThrows(
      () => encode(value, "The input of task hash"),
      NotSerializableError,
    );
    assertEquals(error.path, path);
    assert(error.message.includes("The input of task hash"), error.message);
    assert(error.message.includes(kind), error.message);
  }
});

Deno.test("encodeWithin() refuses what is larger than its limit and names where the weight lies", () => {
  const value = {
    name: "x",
    files: [{ body: "y".repeat(5000) }, { body: "z" }],
  };
  const error = assertThrows(
    () => encodeWithin(value, "The input", 1000),
    InputTooLargeError,
  );
  assertEquals(error.path, "$.files[0].body");
  assert(error.bytes > 5000);
  assertEquals(encodeWithin(value, "The input", 10_000), value);
  // Bytes, not characters.
  assertThrows(
    () => encodeWithin("ü".repeat(600), "The input", 1000),
    InputTooLargeError,
  );
  assertEquals(
    encodeWithin("u".repeat(600), "The input", 1000),
    "u".repeat(600),
  );
});

Deno.test("decode() makes prototype keys of hostile inputs into harmless own properties", () => {
  const hostile =
    '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"when":{"$":"Date","v":1}}';
  const value = decode(JSON.parse(hostile)) as Record<string, unknown>;
  assertEquals(({} as { polluted?: boolean }).polluted, undefined);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
  assert(Object.hasOwn(value, "__proto__"));
  const own = travel(JSON.parse('{"__proto__":{"a":[1]},"b":1}')) as object;
  assertEquals(Object.getPrototypeOf(own), Object.prototype);
  assertEquals(JSON.stringify(own), '{"__proto__":{"a":[1]},"b":1}');
});

Deno.test("decode() throws a TypeError for tags that this package never writes", () => {
  for (
    const text of [
      '{"$":"Function","v":"alert(1)"}',
      '{"$":"Map","v":1}',
      '{"$":["Date"],"v":1}',
      '{"$":"Uint8Array","v":{}}',
    ]
  ) assertThrows(() => decode(JSON.parse(text)), TypeError);
});

Deno.test("errors travel with name, message, stack, cause, the errors of an AggregateError and own fields", () => {
  class QuotaError extends RangeError {
    override readonly name = "QuotaError";
    readonly limit = 5n;
    readonly at = new Date(9);
  }
  const cause = new TypeError("inner", { cause: "text" });
  const error = new AggregateError(
    [
      new QuotaError("too much"),
      "a string",
      new DOMException("late", "TimeoutError"),
    ],
    "several",
    { cause },
  );
  const packed = JSON.parse(JSON.stringify(packThrown(error)));
  const back = unpackThrown(packed, "a worker") as AggregateError;
  assert(back instanceof AggregateError);
  assertEquals(back.message, "several");
  assert(back.stack?.includes("serialize_test.ts"));
  assert(back.stack?.endsWith("at a worker"));
  const { cause: inner } = back as { cause?: unknown };
  assert(inner instanceof TypeError);
  assertEquals(inner.message, "inner");
  assertEquals(inner.cause, "text");
  const [quota, text, late] = back.errors;
  assert(quota instanceof RangeError);
  assertEquals(quota.name, "QuotaError");
  assertEquals((quota as QuotaError).limit, 5n);
  assertEquals((quota as QuotaError).at, new Date(9));
  assertEquals(text, "a string");
  assert(late instanceof DOMException);
  assertEquals(late.name, "TimeoutError");
});

Deno.test("readOutcome() understands what this package wrote, BullMQ's own words and foreign texts", () => {
  const reason = writeReason(
    "cancelled",
    new DOMException("stop", "AbortError"),
  );
  assertEquals(reason.split("\n")[0], "AbortError: stop");
  assertEquals(
    readOutcome({ succeeded: false, reason }, "t", "1").state,
    "cancelled",
  );
  const lost = readOutcome(
    { succeeded: false, reason: "job stalled more than allowable limit" },
    "t",
    "1",
  );
  assertEquals((lost.value as Error).name, "TaskLostError");
  const foreign = readOutcome(
    { succeeded: false, reason: "out of cheese" },
    "t",
    "1",
  );
  assertEquals((foreign.value as Error).message, "out of cheese");
  const broken = readOutcome(
    { succeeded: false, reason: "x\n#async-distributed {" },
    "t",
    "1",
  );
  assert(broken.value instanceof TypeError);
});

Deno.test("errors that contain themselves or share their causes are cut where they repeat", () => {
  const circle = new Error("circle") as Error & { self?: unknown };
  circle.self = { again: circle };
  circle.cause = circle;
  const packed = unpackThrown(
    JSON.parse(JSON.stringify(packThrown(circle))),
    undefined,
  ) as Error;
  assertEquals([packed.message, packed.cause], ["circle", undefined]);
  let shared: Error = new Error("deepest");
  for (let depth = 0; depth < 30; depth++) {
    shared = new AggregateError([shared, shared, shared], `depth ${depth}`);
  }
  const text = JSON.stringify(packThrown(shared));
  assert(text.length < 10_000_000, `${text.length}`);
});

Deno.test("encodeWithin() counts what errors and containers hold", () => {
  const heavy = Object.assign(new Error("x"), { body: "y".repeat(5000) });
  for (
    const value of [
      heavy,
      { inner: new Error("z".repeat(5000)) },
      Array.from({ length: 300 }, () => new Map()),
      Array.from({ length: 300 }, () => new Set()),
      new Error("outer", { cause: heavy }),
    ]
  ) {
    assertThrows(
      () => encodeWithin(value, "The value", 2000),
      InputTooLargeError,
    );
  }
});
