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
  const seen = new Set<string>();
  return {
    files: files.map((file, index) => {
      const problem = problemOf(file);
      if (problem !== undefined) {
        throw new BadInputError(
          `The manifest at ${source} is wrong in files[${index}]: ${problem}.`,
        );
      }
      const checked = file as ManifestFile;
      // Case and Unicode form are folded: two such names are one file on macOS and Windows.
      const key = checked.path.normalize("NFC").toLowerCase();
      if (seen.has(key)) {
        throw new BadInputError(
          `The manifest at ${source} names ${checked.path} twice.`,
        );
      }
      seen.add(key);
      return checked;
    }),
  };
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
