/**
 * The packages in tools/std re-export JavaScript and declare its types by hand. These tests
 * compare the two, so that a wrong declaration can't hide: names in both directions, what each
 * name is, how many parameters a function takes, the members of classes, and whether every
 * declared option is one that the code looks at.
 *
 * @module
 */
import { assertEquals, assertGreater } from "@std/assert";
import { testWith } from "../support/permissions.ts";

const root = new URL("../../tools/std/", import.meta.url);
const packages = ["assert", "async", "fs", "path", "streams", "testing"];

interface Parameter {
  kind: string;
  optional?: boolean;
}
interface Signature {
  params: Parameter[];
}
interface Member {
  name: string;
  isStatic?: boolean;
  kind?: string;
  functionDef?: Signature;
}
interface Declaration {
  kind: string;
  def?: Partial<Signature> & {
    kind?: string;
    constructors?: Signature[];
    methods?: Member[];
    properties?: Member[];
  };
}
interface DocumentedSymbol {
  name: string;
  declarations: Declaration[];
}

type Exports = Record<string, unknown>;

/** What `deno doc` reads from the declaration files of one package, by module URL. */
async function declared(
  folder: string,
): Promise<Map<string, DocumentedSymbol[]>> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(new URL(`${folder}/`, root))) {
    if (entry.name.endsWith(".d.ts")) files.push(`${folder}/${entry.name}`);
  }
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...files.sort()],
    cwd: root,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Record<string, { symbols: DocumentedSymbol[] }>;
  };
  return new Map(
    Object.entries(nodes).map(([url, { symbols }]) => [url, symbols]),
  );
}

/** Least and greatest number of parameters over all overloads. */
function parameterRange(signatures: Signature[]): [number, number] {
  let least = Infinity;
  let most = 0;
  for (const { params } of signatures) {
    const isRest = params.some((parameter) => parameter.kind === "rest");
    const required = params.filter((parameter) =>
      parameter.optional !== true && parameter.kind !== "rest"
    ).length;
    least = Math.min(least, required);
    most = Math.max(most, isRest ? Infinity : params.length);
  }
  return [least, most];
}

/** `length` stops at the first default, so it lies between the required and all parameters. */
function compareArity(
  what: string,
  length: number,
  signatures: Signature[],
): string[] {
  const [least, most] = parameterRange(signatures);
  return length >= least && length <= most ? [] : [
    `${what}: declared with ${least} to ${most} parameters, takes ${length}`,
  ];
}

function compareMembers(
  name: string,
  actual: { readonly prototype: object; readonly length: number },
  def: NonNullable<Declaration["def"]>,
): string[] {
  const found: string[] = [];
  const members = [...def.methods ?? [], ...def.properties ?? []];
  for (const isStatic of [false, true]) {
    const holder = isStatic ? actual : actual.prototype;
    const real = new Map(
      Reflect.ownKeys(holder).map((key) => [
        typeof key === "symbol" ? `[${key.description}]` : key,
        Object.getOwnPropertyDescriptor(holder, key),
      ]),
    );
    for (const own of ["constructor", "length", "name", "prototype"]) {
      real.delete(own);
    }
    const mine = members.filter((member) =>
      (member.isStatic === true) === isStatic
    );
    for (const member of mine) {
      const descriptor = real.get(member.name);
      const label = `${name}.${member.name}`;
      if (descriptor === undefined) found.push(`${label}: is not there`);
      else if (member.kind === "getter" && descriptor.get === undefined) {
        found.push(`${label}: declared as a getter`);
      } else if (member.kind === "setter" && descriptor.set === undefined) {
        found.push(`${label}: declared as a setter`);
      } else if (member.kind === "method") {
        found.push(
          ...compareArity(
            label,
            typeof descriptor.value === "function"
              ? descriptor.value.length
              : -1,
            mine.filter((each) => each.name === member.name)
              .flatMap((each) => each.functionDef ?? []),
          ),
        );
      }
    }
    for (const key of real.keys()) {
      if (!mine.some((member) => member.name === key)) {
        found.push(`${name}.${key}: is not declared`);
      }
    }
  }
  return found;
}

/** Every difference between one declaration and the value that it describes. */
function compare(
  { name, declarations }: DocumentedSymbol,
  exports: Exports,
): string[] {
  const kinds = new Set(declarations.map((declaration) => declaration.kind));
  if (kinds.has("interface") || kinds.has("typeAlias")) return [];
  if (!Object.hasOwn(exports, name)) return [`${name}: is not exported`];
  const value = exports[name];
  const defs = declarations.flatMap((declaration) => declaration.def ?? []);
  if (kinds.has("variable")) {
    return typeof value === "function"
      ? [`${name}: declared as a variable, is a function`]
      : [];
  }
  if (typeof value !== "function") {
    return [`${name}: declared as ${[...kinds]}, is a ${typeof value}`];
  }
  const isClass = /^class\b/.test(Function.prototype.toString.call(value));
  if (isClass !== kinds.has("class")) {
    return [`${name}: declared as ${[...kinds]}, is another kind of function`];
  }
  if (!isClass) {
    return compareArity(
      name,
      value.length,
      defs.flatMap(({ params }) => params === undefined ? [] : { params }),
    );
  }
  return defs.flatMap((def) => [
    ...(def.constructors === undefined
      ? []
      : compareArity(`new ${name}`, value.length, def.constructors)),
    ...compareMembers(
      name,
      value as { prototype: object; length: number },
      def,
    ),
  ]);
}

const sources = new Map<string, string>();
const imports = /^(?:import|export|\}).* from "(\.[^"]+)"/gm;

/** The text of a module of the npm package and of all that it imports from beside it. */
async function sourceOf(specifier: string): Promise<string> {
  const [name = "", ...path] = specifier.split("/");
  const start = `/${path.join("/")}`;
  const pending = [start];
  const seen = new Set(pending);
  let text = "";
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    let code = sources.get(next);
    if (code === undefined) {
      ({ default: code } = await import(`${name}${next}`, {
        with: { type: "text" },
      }) as { default: string });
      sources.set(next, code);
    }
    text += code;
    for (const [, relative] of code.matchAll(imports)) {
      // One folder is imported by another name than it has, see tools/std/testing/_time.js.
      const path = new URL(relative ?? "", `file://${next}`).pathname
        .replace("/data-structures/", "/data_structures/");
      if (!seen.has(path)) pending.push(path);
      seen.add(path);
    }
  }
  return text;
}

for (const folder of packages) {
  testWith(
    ["read", "run"],
    `@std/${folder} link declares exactly what it exports`,
    async () => {
      const differences: string[] = [];
      let compared = 0;
      for (const [url, symbols] of await declared(folder)) {
        const exports: Exports = await import(url.replace(/\.d\.ts$/, ".ts"));
        const names = new Set(symbols.map((symbol) => symbol.name));
        for (const name of Object.keys(exports)) {
          if (!names.has(name)) differences.push(`${name}: is not declared`);
        }
        for (const symbol of symbols) {
          differences.push(...compare(symbol, exports));
          compared++;
        }
      }
      assertEquals(differences, []);
      assertGreater(compared, 0);
    },
  );

  testWith(
    ["read", "run"],
    `@std/${folder} link declares only options that the code looks at`,
    async () => {
      const differences: string[] = [];
      for (const [url, symbols] of await declared(folder)) {
        const wrapper = await Deno.readTextFile(
          new URL(url.replace(/\.d\.ts$/, ".ts")),
        );
        const specifier = /"(npm:[^"]+)"/.exec(wrapper)?.[1] ??
          `npm:deno-std@1.3.0/${folder}/time.js`;
        const code = await sourceOf(specifier);
        for (const { name, declarations } of symbols) {
          if (!name.endsWith("Options")) continue;
          for (const { def } of declarations) {
            for (const option of def?.properties ?? []) {
              if (!new RegExp(`\\b${option.name}\\b`).test(code)) {
                differences.push(`${name}.${option.name}: nobody reads it`);
              }
            }
          }
        }
      }
      assertEquals(differences, []);
    },
  );

  testWith(
    ["read"],
    `@std/${folder} link exports every file that it declares`,
    async () => {
      const { exports } = JSON.parse(
        await Deno.readTextFile(new URL(`${folder}/deno.json`, root)),
      ) as { exports: Record<string, string> };
      const targets = new Set(Object.values(exports));
      const missing: string[] = [];
      for await (const entry of Deno.readDir(new URL(`${folder}/`, root))) {
        const target = `./${entry.name.replace(/\.d\.ts$/, ".ts")}`;
        if (entry.name.endsWith(".d.ts") && !targets.has(target)) {
          missing.push(target);
        }
      }
      assertEquals(missing, []);
    },
  );
}
