/**
 * Links within the documentation lead somewhere: to a file that exists, and to a heading that is
 * in it.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { testWith } from "../support/permissions.ts";

const root = new URL("../../", import.meta.url);

/** Text without its code blocks: what is in them is no link and no heading. */
function withoutCode(text: string): string {
  return text.replace(/^( *)(```+)[^\n]*\n[\s\S]*?^\1\2`*$/gm, "");
}

/** The anchors of a page's headings, as GitHub and JSR make them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutCode(text).matchAll(/^#+ (.+)$/gm)) {
    const base = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1") // a link's text
      .toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim()
      .replace(/\s/g, "-");
    let anchor = base;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

Deno.test("anchorsOf() makes anchors as GitHub does", () => {
  assertEquals(
    [...anchorsOf("# A `b` c's, d/e\n```sh\n# no\n```\n## Same\n## Same\n")],
    ["a-b-cs-de", "same", "same-1"],
  );
});

testWith(
  ["read"],
  "README.md, CHANGELOG.md, docs/ and distributed/ link only to files and headings that exist",
  async () => {
    const pages = ["README.md", "CHANGELOG.md", "distributed/README.md"];
    for await (const { name } of Deno.readDir(new URL("docs/", root))) {
      if (name.endsWith(".md")) pages.push(`docs/${name}`);
    }
    let links = 0;
    for (const page of pages) {
      const at = new URL(page, root);
      const text = withoutCode(await Deno.readTextFile(at));
      // Links may be broken over lines, and have no space within.
      for (const [, link = ""] of text.matchAll(/\]\(\s*([^)\s]+)\s*\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        links++;
        const url = new URL(link, at);
        const anchor = url.hash.slice(1);
        url.hash = "";
        const target = await Deno.readTextFile(url).catch(async () => {
          const isThere = await Deno.stat(url).then(() => true, () => false);
          assert(isThere, `${page} links to ${link}, which is not there`);
          return "";
        });
        if (anchor === "") continue;
        assert(
          anchorsOf(target).has(anchor),
          `${page} links to ${link}: there is no such heading`,
        );
      }
    }
    assertGreater(links, 80);
  },
);
