/**
 * docs/TELEMETRY.md names the spans, metrics and attributes that a receiver really gets.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const programs = new URL("../telemetry/programs/", import.meta.url);
const page = new URL("../../docs/TELEMETRY.md", import.meta.url);

/** Spans that the programs make by `span()`, and those of the semantic conventions for methods. */
const THEIRS = new Set([
  ...["order", "measure", "entry", "program"],
  ...["throws", "rejects", "thenable"],
]);
const METHODS = new Set(["GET", "POST", "HTTP"]);

/** The rows of a section's table: what the first cell quotes, and what the last does. */
function rowsOf(text: string, section: string): Map<string, string[]> {
  const [, after = ""] = text.split(`\n## ${section}\n`);
  const [part = ""] = after.split("\n## ");
  const quoted = (cell = "") =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
  const rows = new Map<string, string[]>();
  for (const line of part.split("\n")) {
    if (!line.startsWith("| `")) continue;
    const cells = line.split("|").slice(1, -1);
    rows.set(quoted(cells[0])[0] ?? "", quoted(cells.at(-1)).sort());
  }
  return rows;
}

function add(
  to: Map<string, Set<string>>,
  name: string,
  attributes: Iterable<string>,
): void {
  const known = to.get(name) ?? new Set();
  to.set(name, known);
  for (const attribute of attributes) known.add(attribute);
}

function sorted(names: Map<string, Iterable<string>>): [string, string[]][] {
  return [...names].map(([name, attributes]): [string, string[]] => [
    name,
    [...attributes].sort(),
  ]).sort(([a], [b]) => a < b ? -1 : 1);
}

testWith(
  ["net", "run", "read"],
  "docs/TELEMETRY.md has all spans, metrics and attributes, and no other",
  async () => {
    await using receiver = new OtlpReceiver();
    for await (const { name } of Deno.readDir(programs)) {
      await receiver.run(new URL(name, programs));
    }
    const spans = new Map<string, Set<string>>();
    for (const { name, attributes } of receiver.spans) {
      // Deno's own have this one, for fetch and Deno.serve.
      if (attributes["url.query"] !== undefined || THEIRS.has(name)) continue;
      add(spans, METHODS.has(name) ? "GET" : name, Object.keys(attributes));
    }
    const metrics = new Map<string, Set<string>>();
    for (const { name, points } of receiver.metrics) {
      // So do metrics of V8's and of Deno's server.
      if (!/^(async_core|http\.client)\./.test(name)) continue;
      for (const point of points) add(metrics, name, Object.keys(point));
    }
    const text = await Deno.readTextFile(page);
    assertEquals(sorted(rowsOf(text, "Spans")), sorted(spans));
    assertEquals(sorted(rowsOf(text, "Metrics")), sorted(metrics));
    assert(metrics.size > 10);
  },
);
