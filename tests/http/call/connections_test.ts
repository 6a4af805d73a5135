/**
 * Connections: the bounds, the order, and that nobody waits who could run.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  Connections,
  type HostConnections,
} from "../../../http/call/connections.ts";
import { abortListeners } from "../../support/nothing_left.ts";

const HOSTS = ["a", "b", "c"];

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ acquire: fc.constantFrom(...HOSTS) }) },
    { weight: 2, arbitrary: fc.record({ release: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ abort: fc.nat(5) }) },
  ),
  { maxLength: 60, size: "max" },
);

Deno.test("Connections keeps its bounds, serves each host in order, and lets nobody wait who could run, whatever is acquired, released and aborted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      steps,
      async (max, maxPerHost, steps) => {
        const connections = new Connections(max, maxPerHost);
        const held: { name: string; place: HostConnections }[] = [];
        let waiting: { name: string; give: AbortController }[] = [];
        const signals: AbortSignal[] = [];
        for (const step of steps) {
          if ("acquire" in step) {
            const name = step.acquire;
            const give = new AbortController();
            const { signal } = give;
            signals.push(signal);
            const call = { name, give };
            waiting.push(call);
            connections.acquire(name, signal).then((place) => {
              assert(!signal.aborted, "served after its abort");
              const first = waiting.find((other) => other.name === name);
              assert(first === call, "served before its turn");
              waiting = waiting.filter((other) => other !== call);
              held.push({ name, place });
            }, () => {});
          } else if ("release" in step) {
            const [one] = held.splice(step.release, 1);
            if (one !== undefined) connections.release(one.place);
          } else {
            const [one] = waiting.splice(step.abort, 1);
            one?.give.abort("gave up");
          }
          for (let n = 0; n < 3; n++) await undefined;
          const active = (name: string) =>
            held.filter((one) => one.name === name).length;
          assertEquals(connections.active, held.length);
          assertEquals(connections.waiting, waiting.length);
          assert(held.length <= max);
          for (const name of HOSTS) assert(active(name) <= maxPerHost);
          assert(
            held.length === max ||
              waiting.every(({ name }) => active(name) === maxPerHost),
            "somebody waits who could run",
          );
        }
        while (held.length > 0) {
          for (const { place } of held.splice(0)) connections.release(place);
          for (let n = 0; n < 3; n++) await undefined;
        }
        assertEquals([connections.active, connections.waiting], [0, 0]);
        assert(
          signals.every((signal) => abortListeners(signal) === 0),
          "a listener is left",
        );
      },
    ),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("Connections lets hosts that wait take turns", async () => {
  const connections = new Connections(1, 1);
  const { signal } = new AbortController();
  const order: string[] = [];
  const all = ["a", "a", "a", "b", "b", "c"].map(async (name, n) => {
    const place = await connections.acquire(name, signal);
    order.push(`${name}${n}`);
    await undefined;
    connections.release(place);
  });
  await Promise.all(all);
  assertEquals(order, ["a0", "b3", "c5", "a1", "b4", "a2"]);
});
