/** Options for {@linkcode walk} and {@linkcode walkSync}. */
export interface WalkOptions {
  /** The maximum depth of the file tree to be walked recursively. */
  maxDepth?: number;
  /** Indicates whether file entries should be included or not. */
  includeFiles?: boolean;
  /** Indicates whether directory entries should be included or not. */
  includeDirs?: boolean;
  /** Indicates whether symlink entries should be included or not. */
  includeSymlinks?: boolean;
  /** Indicates whether symlinks should be resolved or not. */
  followSymlinks?: boolean;
  /** Indicates whether the followed symlink's path should be canonicalized. */
  canonicalize?: boolean;
  /** List of file extensions used to filter entries. */
  exts?: string[];
  /** List of regular expression patterns used to filter entries. */
  match?: RegExp[];
  /** List of regular expression patterns used to filter entries. */
  skip?: RegExp[];
}
/** Walk entry for {@linkcode walk} and {@linkcode walkSync}. */
export interface WalkEntry extends Deno.DirEntry {
  /** Full path of the entry. */
  path: string;
}
export function walk(
  root: string | URL,
  options?: WalkOptions,
): AsyncIterableIterator<WalkEntry>;
export function walkSync(
  root: string | URL,
  options?: WalkOptions,
): IterableIterator<WalkEntry>;
