/**
 * Ring, beside an array.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ring } from "../../_internal/ring.ts";

Deno.test("Ring behaves like an array used as a queue, through growing, shrinking and wrapping", () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant("push" as const) },
    { weight: 4, arbitrary: fc.constant("shift" as const) },
    { weight: 1, arbitrary: fc.constant("unshift" as const) },
    { weight: 1, arbitrary: fc.constant("at" as const) },
    {
      weight: 1,
      arbitrary: fc.record({ push: fc.integer({ min: 1, max: 100 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 100 }) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const ring = new Ring<number>();
      const model: number[] = [];
      let item = 0;
      const push = () => {
        ring.push(++item);
        model.push(item);
      };
      const shift = () => assertEquals(ring.shift(), model.shift());
      for (const step of steps) {
        if (step === "push") push();
        else if (step === "shift") shift();
        else if (step === "unshift") {
          ring.unshift(++item);
          model.unshift(item);
        } else if (step === "at") {
          for (let index = 0; index <= model.length; index++) {
            assertEquals(ring.at(index), model[index]);
          }
        } else if ("push" in step) {
          for (let count = 0; count < step.push; count++) push();
        } else for (let count = 0; count < step.shift; count++) shift();
        assertEquals(ring.size, model.length);
      }
      while (model.length > 0) shift();
      assertEquals(ring.shift(), undefined);
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("Ring takes undefined for an ordinary item", () => {
  const ring = new Ring<undefined>();
  ring.push(undefined);
  ring.push(undefined);
  assertEquals(ring.size, 2);
  ring.shift();
  assertEquals(ring.size, 1);
});

Deno.test("Ring.clear() empties it, and it works on", () => {
  const ring = new Ring<number>();
  for (let item = 0; item < 100; item++) ring.push(item);
  ring.clear();
  assertEquals([ring.size, ring.shift(), ring.at(0)], [
    0,
    undefined,
    undefined,
  ]);
  ring.push(1);
  assertEquals(ring.shift(), 1);
});
