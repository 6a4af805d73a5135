/**
 * The release check, on files made for it and on the real ones.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { VERSION } from "../../_internal/version.ts";
import { releaseProblems } from "../../tools/release.ts";
import { testWith } from "../support/permissions.ts";

const READY = {
  config: '{"name":"@a/core","version":"1.2.3"}',
  source: 'export const VERSION = "1.2.3";',
  member: '{"version":"1.2.3","imports":{"@a/core":"jsr:@a/core@^1.2.3"}}',
  changelog: "# Changelog\n\n## [1.2.3] - 2026-11-24\n\n- a change\n",
  tag: "v1.2.3",
};

Deno.test("releaseProblems() finds none when version, changelog and tag agree", () => {
  assertEquals(releaseProblems(READY), []);
  assertEquals(releaseProblems({ ...READY, tag: undefined }), []);
});

Deno.test("releaseProblems() names each thing that does not agree", () => {
  const one = (change: Partial<typeof READY>) => {
    const problems = releaseProblems({ ...READY, ...change });
    assertEquals(problems.length, 1, problems.join("\n"));
    return problems[0] ?? "";
  };
  assertMatch(one({ source: 'VERSION = "1.2.2"' }), /version\.ts.*1\.2\.2/);
  assertMatch(
    one({ member: READY.member.replace("1.2.3", "1.2.2") }),
    /distributed\/deno\.json says 1\.2\.2/,
  );
  assertMatch(
    one({ member: READY.member.replace("^1.2.3", "^1.1.0") }),
    /imports jsr:@a\/core@\^1\.1\.0, not jsr:@a\/core@\^1\.2\.3/,
  );
  assertMatch(one({ tag: "v1.2.4" }), /tag v1\.2\.4/);
  assertMatch(
    one({ changelog: "## [Unreleased]\n\n- a change\n" }),
    /CHANGELOG\.md has no heading/,
  );
  assertMatch(
    one({ changelog: "## [1.2.3] - soon\n\n- a change\n" }),
    /CHANGELOG\.md has no heading/,
  );
  assertMatch(
    one({ changelog: "## [1.2.3] - 2026-11-24\n\n## [1.2.2] - 2026-11-01\n" }),
    /says nothing/,
  );
  assertMatch(
    one({
      config: READY.config.replaceAll("1.2.3", "1.2"),
      source: 'VERSION = "1.2"',
      member: READY.member.replaceAll("1.2.3", "1.2"),
      tag: "v1.2",
      changelog: "## [1.2] - 2026-11-24\n\n- a\n",
    }),
    /semantic version/,
  );
});

testWith(
  ["read"],
  "deno.json and _internal/version.ts have the same version",
  async () => {
    const { version } = JSON.parse(
      await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
    );
    assertEquals(VERSION, version);
  },
);
