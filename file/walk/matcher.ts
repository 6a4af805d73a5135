/**
 * Which paths are meant: globs and regular expressions, tested against the path relative to the root
 * with "/" between its parts.
 *
 * @module
 */
import { globToRegExp } from "@std/path/glob-to-regexp";
import { wrong } from "../../_internal/validate.ts";

/**
 * A glob or a regular expression. A glob with a slash is matched against the whole relative path
 * (`src/**\/*.ts`), one without against the name at any depth (`*.ts`), as in .gitignore. A
 * regular expression is tested against the relative path.
 */
export type PathPattern = string | RegExp;

/** Tells whether a path is meant. */
export type PathTest = (relative: string, name: string) => boolean;

/**
 * One test for an option that takes one pattern or several; `undefined` when it was not given.
 */
export function pathTest(
  patterns: PathPattern | readonly PathPattern[] | undefined,
): PathTest | undefined {
  if (patterns === undefined) return undefined;
  const tests = (Array.isArray(patterns) ? patterns : [patterns]).map(
    onePattern,
  );
  if (tests.length === 1) return tests[0];
  return (relative, name) => {
    for (const test of tests) if (test(relative, name)) return true;
    return false;
  };
}

/** Checks a pattern or a list of them. */
export function pathPattern(name: string, value: unknown): void {
  const patterns: unknown[] = Array.isArray(value) ? value : [value];
  for (const pattern of patterns) {
    if (pattern instanceof RegExp) continue;
    if (typeof pattern === "string" && pattern !== "") continue;
    throw wrong(name, "a glob, a RegExp or an array of them", pattern, false);
  }
}

function onePattern(pattern: PathPattern): PathTest {
  if (pattern instanceof RegExp) {
    // The flags g and y make test() remember where it stopped.
    const regExp = pattern.global || pattern.sticky
      ? new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""))
      : pattern;
    return (relative) => regExp.test(relative);
  }
  const regExp = globToRegExp(pattern.replace(/^\.?\//, ""), {
    extended: true,
    globstar: true,
  });
  return pattern.includes("/")
    ? (relative) => regExp.test(relative)
    : (_relative, name) => regExp.test(name);
}
