/**
 * The rules of .gitignore files, as git applies them: the last matching line of the deepest file
 * decides, and nothing below an ignored directory comes back (the walk does not enter it).
 *
 * @module
 */

/** One line of an ignore file. */
interface IgnoreRule {
  regExp: RegExp;
  /** Tested against the path from the file's directory, not against the name alone. */
  isAnchored: boolean;
  /** The line ends in "/". */
  isDirectoryOnly: boolean;
  /** The line begins with "!". */
  isNegated: boolean;
}

/** The rules that hold in one directory: its own, and then those of the directories above. */
export class IgnoreRules {
  /** Where the rules were found, relative to the root, with a slash at the end unless it is the root. */
  readonly #prefix: string;
  readonly #rules: readonly IgnoreRule[];
  readonly #above: IgnoreRules | undefined;

  /** `texts`: the contents of the directory's ignore files; the later ones decide. */
  constructor(
    prefix: string,
    texts: readonly string[],
    above: IgnoreRules | undefined,
  ) {
    this.#prefix = prefix;
    this.#rules = texts.flatMap(parseIgnoreFile);
    this.#above = above;
  }

  /** Whether what is at `relative` (a path from the root) is ignored. */
  ignores(relative: string, name: string, isDirectory: boolean): boolean {
    const base = toByteText(name);
    for (
      // deno-lint-ignore no-this-alias -- walks up the list of which this is the head
      let level: IgnoreRules | undefined = this;
      level !== undefined;
      level = level.#above
    ) {
      const rules = level.#rules;
      const path = toByteText(relative.slice(level.#prefix.length));
      for (let index = rules.length - 1; index >= 0; index--) {
        // Within the array.
        const rule = rules[index] as IgnoreRule;
        if (rule.isDirectoryOnly && !isDirectory) continue;
        if (rule.regExp.test(rule.isAnchored ? path : base)) {
          return !rule.isNegated;
        }
      }
    }
    return false;
  }
}

function parseIgnoreFile(text: string): IgnoreRule[] {
  const rules: IgnoreRule[] = [];
  for (const line of text.replace(/^\ufeff/, "").split("\n")) {
    const rule = parseLine(line.replace(/\r$/, ""));
    if (rule !== undefined) rules.push(rule);
  }
  return rules;
}

function parseLine(line: string): IgnoreRule | undefined {
  if (line.startsWith("#")) return undefined;
  let pattern = trimEnd(line);
  const isNegated = pattern.startsWith("!");
  if (isNegated) pattern = pattern.slice(1);
  const isDirectoryOnly = pattern.endsWith("/");
  if (isDirectoryOnly) pattern = pattern.slice(0, -1);
  if (pattern === "") return undefined;
  const isAnchored = pattern.includes("/");
  if (pattern.startsWith("/")) pattern = pattern.slice(1);
  const source = wildcardSource(toByteText(pattern));
  if (source === undefined) return undefined;
  return {
    regExp: new RegExp(`^${source}$`, "s"),
    isAnchored,
    isDirectoryOnly,
    isNegated,
  };
}

/** Without the spaces at its end, save one that a backslash keeps. */
function trimEnd(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === " ") end--;
  if (end === line.length) return line;
  let backslashes = 0;
  while (end > backslashes && line[end - 1 - backslashes] === "\\") {
    backslashes++;
  }
  return line.slice(0, backslashes % 2 === 1 ? end + 1 : end);
}

/** Each byte of the UTF-8 as one character: to git, "?" is one byte. */
function toByteText(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text;
  let bytes = "";
  for (const byte of utf8.encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}

const utf8 = new TextEncoder();

/** A pattern as the source of a RegExp; `undefined` for one that git never matches. */
function wildcardSource(pattern: string): string | undefined {
  let source = "";
  let index = 0;
  // git compares what comes before the first wildcard by itself and then takes the rest for a
  // whole pattern, so that "**" right after it counts as if it began one.
  const firstWildcard = pattern.search(/[*?[\\]/);
  while (index < pattern.length) {
    const rest = pattern.slice(index);
    const isAtStart = index === 0 || index === firstWildcard ||
      pattern[index - 1] === "/";
    if (rest.startsWith("*")) {
      const stars = (/^\*+/.exec(rest) as RegExpExecArray)[0].length;
      index += stars;
      const next = /^\\?\//.exec(pattern.slice(index));
      if (stars === 1 || !isAtStart) source += "[^/]*";
      else if (index === pattern.length) source += ".*";
      else if (next !== null) {
        // Only an unescaped slash may stand for no directory at all.
        source += next[0] === "/" ? "(?:.*/)?" : ".*/";
        index += next[0].length;
      } else source += "[^/]*";
    } else if (rest.startsWith("?")) {
      source += "[^/]";
      index++;
    } else if (rest.startsWith("[")) {
      const bracket = bracketSource(pattern, index);
      if (bracket === undefined) return undefined;
      source += bracket.source;
      index = bracket.end;
    } else {
      if (rest.startsWith("\\")) index++;
      const character = pattern[index];
      if (character === undefined) return undefined;
      source += escaped(character);
      index++;
    }
  }
  return source;
}

const classes: Record<string, string> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: " \\t",
  cntrl: "\\0-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: " \\t-\\r",
  upper: "A-Z",
  xdigit: "0-9A-Fa-f",
};

function bracketSource(
  pattern: string,
  start: number,
): { source: string; end: number } | undefined {
  let index = start + 1;
  const isNegated = pattern[index] === "!" || pattern[index] === "^";
  if (isNegated) index++;
  let source = "";
  for (let isFirst = true;; isFirst = false) {
    if (index >= pattern.length) return undefined;
    if (pattern[index] === "]" && !isFirst) break;
    const named = /^\[:([a-z]*):\]/.exec(pattern.slice(index));
    if (named !== null) {
      const characters = classes[named[1] as string];
      if (characters === undefined) return undefined;
      source += characters;
      index += named[0].length;
      continue;
    }
    const low = bracketCharacter(pattern, index);
    if (low === undefined) return undefined;
    index = low.end;
    if (pattern[index] === "-" && (pattern[index + 1] ?? "]") !== "]") {
      const high = bracketCharacter(pattern, index + 1);
      if (high === undefined) return undefined;
      index = high.end;
      // A range that runs backwards holds nothing.
      if (low.character <= high.character) {
        source += `${escaped(low.character)}-${escaped(high.character)}`;
      }
    } else source += escaped(low.character);
  }
  const body = source === ""
    ? isNegated ? "[^/]" : "(?!)"
    : isNegated
    ? `[^/${source}]`
    : `(?!/)[${source}]`;
  return { source: body, end: index + 1 };
}

function bracketCharacter(
  pattern: string,
  index: number,
): { character: string; end: number } | undefined {
  if (pattern[index] === "\\") index++;
  const character = pattern[index];
  return character === undefined ? undefined : { character, end: index + 1 };
}

function escaped(character: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(character) ? `\\${character}` : character;
}
