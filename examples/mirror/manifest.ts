/**
 * The list of what an origin serves: `manifest.json`, with the size and SHA-256 of each file.
 *
 * @module
 */
import { BadInputError } from "./bad_input.ts";

/** One file of the tree. */
export interface ManifestFile {
  /** Relative, with forward slashes, for example `src/main.ts`. */
  readonly path: string;
  /** Length in bytes. */
  readonly size: number;
  /** SHA-256 in lower-case hexadecimal. */
  readonly sha256: string;
  /** Where it is served, if not at its path beside the manifest. */
  readonly url?: string;
}

/** What `manifest.json` holds. */
export interface Manifest {
  /** Every file once. */
  readonly files: readonly ManifestFile[];
}

/**
 * Reads a manifest. It comes from elsewhere, so nothing in it is believed: a path that would
 * leave the folder is refused before anything is written.
 *
 * @throws {BadInputError} When it is not a manifest, saying where.
 */
export function parseManifest(text: string, source: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadInputError(
      `The manifest at ${source} is no JSON: it begins with ${
        JSON.stringify(text.slice(0, 40))
      }.`,
      { cause: error },
    );
  }
  const files = (value as { files?: unknown } | null)?.files;
  if (!Array.isArray(files)) {
    throw new BadInputError(
      `The manifest at ${source} has no list "files".`,
    );
  }
  const paths = new Map<string, string>();
  for (const [index, file] of files.entries()) {
    const problem = problemOf(file);
    if (problem !== undefined) {
      throw new BadInputError(
        `The manifest at ${source} is wrong in files[${index}]: ${problem}.`,
      );
    }
    const { path } = file as ManifestFile;
    if (paths.has(fold(path))) {
      throw new BadInputError(`The manifest at ${source} names ${path} twice.`);
    }
    paths.set(fold(path), path);
  }
  for (const [folded, path] of paths) {
    const other = clash(folded, paths);
    if (other !== undefined) {
      throw new BadInputError(
        `The manifest at ${source} names ${other} and ${path}, which can't both be written.`,
      );
    }
  }
  return { files: files as ManifestFile[] };
}

/** Two names that differ in case or Unicode form are one file on macOS and Windows. */
function fold(path: string): string {
  return path.normalize("NFC").toLowerCase();
}

/** A file that is also a folder, or that stands where the part of another is kept. */
function clash(
  folded: string,
  paths: ReadonlyMap<string, string>,
): string | undefined {
  const whole = paths.get(folded.replace(/\.part(\.json)?$/, ""));
  if (whole !== undefined && fold(whole) !== folded) return whole;
  for (
    let slash = folded.indexOf("/");
    slash >= 0;
    slash = folded.indexOf("/", slash + 1)
  ) {
    const parent = paths.get(folded.slice(0, slash));
    if (parent !== undefined) return parent;
  }
}

function problemOf(file: unknown): string | undefined {
  if (typeof file !== "object" || file === null) return "not an object";
  const { path, size, sha256, url } = file as Record<string, unknown>;
  if (typeof path !== "string" || !isInside(path)) {
    return `path ${
      JSON.stringify(path)
    } is not a relative path inside the tree`;
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    return `size of ${path} is not a length in bytes`;
  }
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) {
    return `sha256 of ${path} is not 64 lower-case hexadecimal digits`;
  }
  if (
    url !== undefined &&
    (typeof url !== "string" || !/^https?:\/\//.test(url) ||
      !URL.canParse(url))
  ) {
    return `url of ${path} is not an http or https URL`;
  }
}

function isInside(path: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (path.length === 0 || /[\\\x00-\x1f:]/.test(path)) return false;
  return path.split("/").every((part) =>
    part !== "" && part !== "." && part !== ".."
  );
}
