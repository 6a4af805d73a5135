/**
 * Who looks for a page or a program finds it in docs/README.md.
 *
 * @module
 */
import { assert } from "@std/assert";
import { testWith } from "../support/permissions.ts";

testWith(
  ["read"],
  "docs/README.md lists every page and every example",
  async () => {
    const root = new URL("../../", import.meta.url);
    const index = await Deno.readTextFile(new URL("docs/README.md", root));
    for await (const { name } of Deno.readDir(new URL("docs/", root))) {
      if (!name.endsWith(".md") || name === "README.md") continue;
      assert(index.includes(`](${name})`), `docs/${name} is not listed`);
    }
    for await (const { name } of Deno.readDir(new URL("examples/", root))) {
      if (!name.endsWith(".ts")) continue;
      assert(
        index.includes(`](../examples/${name})`),
        `examples/${name} is not listed`,
      );
    }
  },
);
