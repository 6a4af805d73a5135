import { assertEquals } from "@std/assert";
import { toHtml, watchAndBuild } from "../../examples/watch_and_build.ts";
import { testWith } from "../support/permissions.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

Deno.test("watch_and_build: toHtml() makes headings and paragraphs", () => {
  assertEquals(toHtml("# A < B\n\ntext\n"), "<h1>A &lt; B</h1>\n<p>text</p>\n");
});

testWith(
  ["read", "write"],
  "watch_and_build.ts builds what is there and what changes until it is aborted",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const output = directory.path("output");
    await directory.write("source/a.md", "# A");
    await directory.write("source/deep/b.md", "b");
    await directory.write("source/notes.txt", "not built");
    const controller = new AbortController();
    // Each change of the source is followed until the output says the same.
    let wake = () => {};
    const problems: Error[] = [];
    const building = watchAndBuild({
      source: directory.path("source"),
      output,
      signal: controller.signal,
      onBuilt: (_, failures) => {
        problems.push(...failures);
        wake();
      },
    });
    const outputIs = async (expected: Record<string, string>) => {
      for (;;) {
        const built = new Promise<void>((resolve) => wake = resolve);
        const found = await filesBelow(output);
        if (JSON.stringify(found) === JSON.stringify(expected)) return;
        await built;
      }
    };
    const b = "<p>b</p>\n";
    await outputIs({ "a.html": "<h1>A</h1>\n", "deep/b.html": b });
    await directory.write("source/a.md", "# New");
    await outputIs({ "a.html": "<h1>New</h1>\n", "deep/b.html": b });
    await directory.write("source/new/er/c.md", "c");
    await outputIs({
      "a.html": "<h1>New</h1>\n",
      "deep/b.html": b,
      "new/er/c.html": "<p>c</p>\n",
    });
    await Deno.rename(
      directory.path("source/a.md"),
      directory.path("source/z.md"),
    );
    await Deno.remove(directory.path("source/new/er/c.md"));
    await outputIs({ "deep/b.html": b, "z.html": "<h1>New</h1>\n" });
    controller.abort();
    await building;
    assertEquals(problems, []);
  },
);

/** The files below `root` and what is in them, by path. */
async function filesBelow(root: string): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  const visit = async (directory: string, prefix: string) => {
    for await (const entry of Deno.readDir(directory)) {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory) await visit(path, `${prefix}${entry.name}/`);
      else found.push([prefix + entry.name, await Deno.readTextFile(path)]);
    }
  };
  try {
    await visit(root, "");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}
