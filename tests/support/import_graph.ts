/**
 * Who imports whom, from what Deno itself resolves, and the diagram of it in docs/ARCHITECTURE.md.
 *
 *     deno run --allow-read --allow-write --allow-run tests/support/import_graph.ts
 *
 * writes the diagram anew.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** An import of one of our modules by another. */
export interface Import {
  readonly from: string;
  readonly to: string;
  /** Only types are imported: nothing of it is there at run time. */
  readonly isTypeOnly: boolean;
}

/** From the bottom up: each folder may import those before it, and `mod.ts` all. */
export const LAYERS: readonly string[] = [
  "_internal",
  "telemetry",
  "runner",
  "streams",
  "file",
  "http",
  "mod.ts",
];

const root = new URL("../../", import.meta.url);

/** All imports between the modules behind the faces, by their paths from the root. */
export async function readImports(): Promise<Import[]> {
  const all = new Map<string, Import>();
  // `mod.ts` has every face behind it but the unstable one.
  for (const face of ["mod.ts", "runner/batch/mod.ts"]) {
    for (const found of await importsBehind(face)) {
      all.set(`${found.from} ${found.to}`, found);
    }
  }
  return [...all.values()];
}

/** The imports between our modules that are reached from one. */
export async function importsBehind(face: string): Promise<Import[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", face],
    cwd: fromFileUrl(root),
  }).output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(decoder.decode(stderr));
  const { modules } = JSON.parse(decoder.decode(stdout)) as {
    modules: {
      specifier: string;
      dependencies?: {
        code?: { specifier?: string };
        type?: { specifier?: string };
      }[];
    }[];
  };
  // Elsewhere the linked std packages are JSR's, and no modules of ours.
  const ours = (specifier: string | undefined) =>
    specifier?.startsWith(root.href) &&
      !specifier.startsWith(`${root.href}tools/`)
      ? specifier.slice(root.href.length)
      : undefined;
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    dependencies.flatMap(({ code, type }) => {
      const from = ours(specifier);
      const to = ours(code?.specifier ?? type?.specifier);
      if (from === undefined || to === undefined) return [];
      return [{ from, to, isTypeOnly: code?.specifier === undefined }];
    })
  );
}

/** The folder that a module is in; `mod.ts` stands for itself. */
export function folderOf(path: string): string {
  const [folder = path] = path.split("/");
  return folder;
}

/** The circles in a graph: groups of modules that all reach each other. (Tarjan's algorithm.) */
export function findCircles(edges: Iterable<[string, string]>): string[][] {
  const targets = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    if (!targets.has(from)) targets.set(from, new Set());
    targets.get(from)!.add(to); // set on the line above
  }
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): number => {
    let low = order.size;
    order.set(node, low);
    const number = low;
    stack.push(node);
    for (const target of targets.get(node) ?? []) {
      const known = order.get(target);
      if (known === undefined) low = Math.min(low, visit(target));
      else if (stack.includes(target)) low = Math.min(low, known);
    }
    if (low === number) {
      const circle = stack.splice(stack.indexOf(node)).sort();
      if (circle.length > 1 || targets.get(node)?.has(node)) {
        circles.push(circle);
      }
    }
    return low;
  };
  for (const node of targets.keys()) if (!order.has(node)) visit(node);
  return circles;
}

/** The folders and their imports as a Mermaid diagram. */
export function drawDiagram(imports: readonly Import[]): string {
  const arrows = new Set<string>();
  for (const { from, to } of imports) {
    const [a, b] = [folderOf(from), folderOf(to)];
    if (a !== b) arrows.add(`  ${node(a)} --> ${node(b)}`);
  }
  const place = (line: string) =>
    LAYERS.findIndex((layer) => line.startsWith(`  ${node(layer)} `));
  const sorted = [...arrows].sort((a, b) =>
    place(b) - place(a) || (a < b ? -1 : 1)
  );
  return ["flowchart TD", ...sorted].join("\n");
}

function node(folder: string): string {
  return folder === "mod.ts" ? "mod[mod.ts]" : folder;
}

/** Where the diagram stands in docs/ARCHITECTURE.md. */
export const diagramBlock = /```mermaid\n([\s\S]*?)\n```/;

if (import.meta.main) {
  const page = new URL("docs/ARCHITECTURE.md", root);
  const text = await Deno.readTextFile(page);
  const diagram = drawDiagram(await readImports());
  await Deno.writeTextFile(
    page,
    text.replace(diagramBlock, () => `\`\`\`mermaid\n${diagram}\n\`\`\``),
  );
}
