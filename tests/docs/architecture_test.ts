/**
 * The layers are what docs/ARCHITECTURE.md says they are.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  diagramBlock,
  drawDiagram,
  findCircles,
  folderOf,
  type Import,
  LAYERS,
  readImports,
} from "../support/import_graph.ts";
import { testWith } from "../support/permissions.ts";

/**
 * The circles that are there for a reason, whole: a job, the group that counts it and the family of
 * its children are one linked structure, in files by idea.
 */
const KNOTS = [
  [
    "runner/scheduler/job.ts",
    "runner/scheduler/job_family.ts",
    "runner/scheduler/job_group.ts",
  ],
];

Deno.test("findCircles() finds circles of every length, and none where there is none", () => {
  assertEquals(findCircles([["a", "b"], ["b", "c"], ["a", "c"]]), []);
  assertEquals(findCircles([["a", "a"]]), [["a"]]);
  assertEquals(
    findCircles([
      ["a", "b"],
      ["b", "c"],
      ["c", "a"],
      ["c", "d"],
      ["e", "f"],
      ["f", "e"],
    ]),
    [["a", "b", "c"], ["e", "f"]],
  );
});

testWith(
  ["read", "run"],
  "imports run one way: no circles, and no folder against the order",
  async (t) => {
    const imports = await readImports();
    const between = imports.filter(({ from, to }) =>
      folderOf(from) !== folderOf(to)
    );
    const pairs = (list: Import[], name: (path: string) => string) =>
      list.map(({ from, to }): [string, string] => [name(from), name(to)]);

    await t.step("every module is in a layer, and every layer has some", () => {
      const folders = new Set(
        imports.flatMap(({ from, to }) => [folderOf(from), folderOf(to)]),
      );
      assertEquals([...folders].sort(), [...LAYERS].sort());
    });
    await t.step(
      "each layer imports only those below it, types included",
      () => {
        for (const { from, to } of between) {
          assert(
            LAYERS.indexOf(folderOf(from)) > LAYERS.indexOf(folderOf(to)),
            `${from} imports ${to}, which is above it`,
          );
        }
      },
    );
    await t.step("folders are in no circle, types included", () => {
      assertEquals(findCircles(pairs(between, folderOf)), []);
    });
    await t.step("modules are in no circle at run time", () => {
      const real = imports.filter(({ isTypeOnly }) => !isTypeOnly);
      assertEquals(findCircles(pairs(real, (path) => path)), []);
    });
    await t.step("modules are in no circle of types but the known one", () => {
      // One that grows is no exception any more, nor is one that is undone.
      const circles = findCircles(pairs(imports, (path) => path));
      assertEquals(circles.sort(), KNOTS);
    });
    await t.step("mod.ts imports nothing but the folders' own mod.ts", () => {
      for (const { from, to } of imports) {
        if (from === "mod.ts") assert(to.endsWith("/mod.ts"), to);
      }
    });
  },
);

testWith(
  ["read", "run"],
  "docs/ARCHITECTURE.md shows the diagram of the real imports",
  async () => {
    const page = new URL("../../docs/ARCHITECTURE.md", import.meta.url);
    const [, shown] = diagramBlock.exec(await Deno.readTextFile(page)) ?? [];
    assertEquals(
      shown,
      drawDiagram(await readImports()),
      "Write it anew: deno run -RW --allow-run tests/support/import_graph.ts",
    );
  },
);

testWith(
  ["read"],
  "docs/ARCHITECTURE.md names files and folders that exist",
  async () => {
    const root = new URL("../../", import.meta.url);
    const text = await Deno.readTextFile(new URL("docs/ARCHITECTURE.md", root));
    const named = [...text.matchAll(/`(\w+\/(?:\w+\.ts)?)`/g)];
    assert(named.length > 10);
    for (const [, path = ""] of named) await Deno.stat(new URL(path, root));
  },
);
