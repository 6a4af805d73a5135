/**
 * What README.md and CHANGELOG.md say is there is there. The README's examples run as doc tests.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import * as everything from "../mod.ts";
import { testWith } from "./support/permissions.ts";

const exported = new Set(Object.keys(everything));

function read(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`../${name}`, import.meta.url));
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
}

testWith(
  ["read"],
  "README.md lists names that are exported, or says that they are still to come",
  async () => {
    const text = await read("README.md");
    const toCome = new Set(
      quoted(/still to come:([^.]*)\./.exec(text)?.[1] ?? ""),
    );
    const rows = text.split("\n").filter((line) =>
      line.startsWith("| `") && !line.includes("SPECIFY_")
    );
    assertGreater(rows.length, 5);
    for (const row of rows) {
      const [, python = "", here = ""] = row.split("|");
      const names = quoted(here.includes("the same") ? python : here);
      assertGreater(names.length, 0, row);
      for (const name of names) {
        assert(exported.has(name) || toCome.has(name), `${name} is not there`);
      }
    }
  },
);

testWith(
  ["read"],
  "README.md names tasks that deno.json has, and the one Deno version that everything uses",
  async () => {
    const text = await read("README.md");
    const { tasks } = JSON.parse(await read("deno.json")) as {
      tasks: Record<string, string>;
    };
    for (const [, task = ""] of text.matchAll(/(?:deno|\d) task ([a-z:]+)/g)) {
      assert(Object.hasOwn(tasks, task), `there is no task ${task}`);
    }
    const versions = new Set<string>();
    for (
      const file of [
        "README.md",
        ".ci/run",
        ".github/workflows/ci.yml",
        ".github/workflows/publish.yml",
      ]
    ) {
      for (
        const [, version = ""] of (await read(file)).matchAll(
          /(?:deno@|Deno |deno-version: |^version=)(\d+\.\d+\.\d+)/gm,
        )
      ) versions.add(version);
    }
    assertEquals(versions.size, 1, [...versions].join(", "));
  },
);

testWith(
  ["read"],
  "CHANGELOG.md lists under the modules only what they export",
  async () => {
    const text = await read("CHANGELOG.md");
    const entries = [
      ...text.matchAll(
        /^- `(?:runner|streams|http|file|telemetry)`:((?:.|\n {2})*)/gm,
      ),
    ];
    assertEquals(entries.length, 5);
    for (const [, entry = ""] of entries) {
      for (const name of quoted(entry)) {
        assert(exported.has(name), `${name} is not there`);
      }
    }
  },
);
