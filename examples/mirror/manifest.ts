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
  // The names that a file's download needs beside it.
  const beside = new Map<string, string>();
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
    for (const suffix of suffixes) beside.set(fold(path) + suffix, path);
  }
  for (const [folded, path] of paths) {
    const other = clash(folded, paths, beside);
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

/** What a download keeps beside a file until it is whole. */
const suffixes = [".part", ".part.json", ".part.json.tmp"];

/** The file that stands in the way of another, or of a folder above it. */
function clash(
  folded: string,
  paths: ReadonlyMap<string, string>,
  beside: ReadonlyMap<string, string>,
): string | undefined {
  for (
    let end = folded.indexOf("/");
    end >= 0;
    end = folded.indexOf("/", end + 1)
  ) {
    const folder = folded.slice(0, end);
    const other = paths.get(folder) ?? beside.get(folder);
    if (other !== undefined) return other;
  }
  return beside.get(folded);
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
  // A lone surrogate is no character: neither a URL nor a file name can hold it.
  if (path.length === 0 || !path.isWellFormed()) return false;
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/[\\\x00-\x1f\x7f-\x9f:]/.test(path)) return false;
  return path.split("/").every((part) =>
    part !== "" && part !== "." && part !== ".."
  );
}
