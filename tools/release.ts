/**
 * Tells whether a release can be made: deno.json, _internal/version.ts, distributed/deno.json,
 * CHANGELOG.md and the tag say the same version. Publishing itself is the work of the publish workflow, when the tag is pushed.
 *
 * Usage: `deno task release [--tag=v1.2.3]`; without `--tag` the tag of the present commit counts, if
 * there is one.
 *
 * @module
 */

/** What is compared. */
export interface ReleaseFiles {
  /** deno.json. */
  readonly config: string;
  /** _internal/version.ts. */
  readonly source: string;
  /** distributed/deno.json: the second package, which is published with the first. */
  readonly member: string;
  /** CHANGELOG.md. */
  readonly changelog: string;
  /** The tag; `undefined` when there is none yet. */
  readonly tag: string | undefined;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly imports?: Readonly<Record<string, string>>;
}

/** What stands against a release, in sentences; empty when nothing does. */
export function releaseProblems(
  { config, source, member, changelog, tag }: ReleaseFiles,
): string[] {
  const problems: string[] = [];
  const { name, version } = JSON.parse(config) as Manifest;
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
    problems.push(`deno.json's ${version} is no semantic version.`);
  }
  const inSource = /VERSION = "([^"]*)"/.exec(source)?.[1];
  if (inSource !== version) {
    problems.push(
      `_internal/version.ts says ${inSource}, deno.json ${version}.`,
    );
  }
  // JSR resolves what is published, not the workspace: an old range would get an old package.
  const { version: memberVersion, imports = {} } = JSON.parse(
    member,
  ) as Manifest;
  if (memberVersion !== version) {
    problems.push(
      `distributed/deno.json says ${memberVersion}, deno.json ${version}.`,
    );
  }
  const wanted = `jsr:${name}@^${version}`;
  if (imports[name] !== wanted) {
    problems.push(
      `distributed/deno.json imports ${imports[name]}, not ${wanted}.`,
    );
  }
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) =>
    text.startsWith(`[${version}] - `) &&
    /^\d{4}-\d{2}-\d{2}\s/.test(text.slice(version.length + 5))
  );
  if (section === undefined) {
    problems.push(
      `CHANGELOG.md has no heading "## [${version}] - yyyy-mm-dd": rename [Unreleased].`,
    );
  } else if (!/^- /m.test(section)) {
    problems.push(`CHANGELOG.md says nothing about ${version}.`);
  }
  if (tag !== undefined && tag !== `v${version}`) {
    problems.push(`The tag ${tag} is not v${version}.`);
  }
  return problems;
}

async function presentTag(): Promise<string | undefined> {
  const { success, stdout } = await new Deno.Command("git", {
    args: ["describe", "--tags", "--exact-match"],
    stderr: "null",
  }).output();
  return success ? new TextDecoder().decode(stdout).trim() : undefined;
}

if (import.meta.main) {
  const read = (name: string) =>
    Deno.readTextFile(new URL(`../${name}`, import.meta.url));
  const unknown = Deno.args.find((text) => !/^--tag=./.test(text));
  if (unknown !== undefined) {
    console.error(
      `${unknown} is not understood. Usage: deno task release [--tag=v1.2.3]`,
    );
    Deno.exit(2);
  }
  const given = Deno.args.at(-1)?.slice("--tag=".length);
  const problems = releaseProblems({
    config: await read("deno.json"),
    source: await read("_internal/version.ts"),
    member: await read("distributed/deno.json"),
    changelog: await read("CHANGELOG.md"),
    tag: given ?? await presentTag(),
  });
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log("Version, changelog and tag agree.");
  Deno.exitCode = problems.length === 0 ? 0 : 1;
}
