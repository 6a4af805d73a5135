/**
 * Which paths are meant: globs and regular expressions, tested against the path relative to the root
 * with "/" between its parts.
 *
 * @module
 */
import { globToRegExp } from "@std/path";
import { show } from "../../_internal/validate.ts";

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
 *
 * @throws {TypeError} When something is neither a string nor a RegExp.
 */
export function pathTest(
  option: string,
  patterns: PathPattern | readonly PathPattern[] | undefined,
): PathTest | undefined {
  if (patterns === undefined) return undefined;
  const tests = (Array.isArray(patterns) ? patterns : [patterns]).map(
    (pattern: PathPattern) => onePattern(option, pattern),
  );
  if (tests.length === 1) return tests[0];
  return (relative, name) => {
    for (const test of tests) if (test(relative, name)) return true;
    return false;
  };
}

function onePattern(option: string, pattern: PathPattern): PathTest {
  if (pattern instanceof RegExp) {
    // The flags g and y make test() remember where it stopped.
    const regExp = pattern.global || pattern.sticky
      ? new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""))
      : pattern;
    return (relative) => regExp.test(relative);
  }
  if (typeof pattern !== "string" || pattern === "") {
    throw new TypeError(
      `${option} must be a glob, a RegExp or an array of them, got ${
        show(pattern)
      }`,
    );
  }
  const regExp = globToRegExp(pattern.replace(/^\.?\//, ""), {
    extended: true,
    globstar: true,
  });
  return pattern.includes("/")
    ? (relative) => regExp.test(relative)
    : (_relative, name) => regExp.test(name);
}
