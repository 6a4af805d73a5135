/**
 * Tells whether a release can be made: deno.json, _internal/version.ts, CHANGELOG.md and the tag say
 * the same version. Publishing itself is the work of the publish workflow, when the tag is pushed.
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
  /** CHANGELOG.md. */
  readonly changelog: string;
  /** The tag; `undefined` when there is none yet. */
  readonly tag: string | undefined;
}

/** What stands against a release, in sentences; empty when nothing does. */
export function releaseProblems(
  { config, source, changelog, tag }: ReleaseFiles,
): string[] {
  const problems: string[] = [];
  const { version } = JSON.parse(config) as { version: string };
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
    problems.push(`deno.json's ${version} is no semantic version.`);
  }
  const inSource = /VERSION = "([^"]*)"/.exec(source)?.[1];
  if (inSource !== version) {
    problems.push(
      `_internal/version.ts says ${inSource}, deno.json ${version}.`,
    );
  }
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`[${version}] - `));
  if (section === undefined) {
    problems.push(
      `CHANGELOG.md has no heading "## [${version}] - <date>": rename [Unreleased].`,
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
  const given = Deno.args.find((text) => text.startsWith("--tag="))?.slice(6);
  const problems = releaseProblems({
    config: await read("deno.json"),
    source: await read("_internal/version.ts"),
    changelog: await read("CHANGELOG.md"),
    tag: given ?? await presentTag(),
  });
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log("Version, changelog and tag agree.");
  Deno.exitCode = problems.length === 0 ? 0 : 1;
}
