/**
 * How the modules of the cluster import each other, and what they import of the core.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { findCircles, importsBehind } from "../support/import_graph.ts";
import { testWith } from "../support/permissions.ts";

const FACES = ["mod.ts", "runner/mod.ts", "runner/batch/mod.ts"];

testWith(
  ["read", "run"],
  "the cluster's modules are in no circle, types included, and import faces of the core only",
  async () => {
    const imports = (await importsBehind("distributed/mod.ts"))
      .filter(({ from }) => from.startsWith("distributed/"));
    // The engine, which is imported when it is used, among them.
    assert(imports.some(({ from }) => from === "distributed/bullmq/engine.ts"));
    assertEquals(findCircles(imports.map(({ from, to }) => [from, to])), []);
    const ofCore = new Set(
      imports.map(({ to }) => to).filter((to) =>
        !to.startsWith("distributed/")
      ),
    );
    assertEquals([...ofCore].filter((to) => !FACES.includes(to)), []);
  },
);
