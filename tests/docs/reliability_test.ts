/**
 * Every test that docs/RELIABILITY.md names exists, by file and name.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { testWith } from "../support/permissions.ts";

const root = new URL("../../", import.meta.url);

testWith(
  ["read"],
  "docs/RELIABILITY.md names tests that exist, and each guarantee has one",
  async () => {
    const text = await Deno.readTextFile(new URL("docs/RELIABILITY.md", root));
    const sources = new Map<string, string>();
    let tests = 0;
    let file = "";
    for (const line of text.split("\n")) {
      // Each section says in which folder its tests are.
      const [, folder] = /^Tests in `(tests\/[\w/]*)`/.exec(line) ?? [];
      if (folder !== undefined) file = folder;
      if (!line.startsWith("| ") || /^\| (what|---)/.test(line)) continue;
      const cells = line.split(" | ").map((cell) => cell.trim());
      assertEquals(cells.length, 3, line);
      const [, name = "", where = ""] =
        /"(.+)" \(`([\w/]+_test\.ts)`\)\s*\|$/.exec(cells[2] ?? "") ?? [];
      assert(name !== "", `no test is named in: ${line}`);
      const path = `${file}${where}`;
      if (!sources.has(path)) {
        sources.set(path, await Deno.readTextFile(new URL(path, root)));
      }
      assert(
        sources.get(path)!.includes(`"${name}"`), // set above
        `${path} has no test "${name}"`,
      );
      tests++;
    }
    assertGreater(tests, 60);
  },
);
