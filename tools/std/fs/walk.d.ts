/** Options for {@linkcode walk}. */
export interface WalkOptions {
  maxDepth?: number;
  includeFiles?: boolean;
  includeDirs?: boolean;
  includeSymlinks?: boolean;
  followSymlinks?: boolean;
  canonicalize?: boolean;
  exts?: string[];
  match?: RegExp[];
  skip?: RegExp[];
}
/** Walk entry for {@linkcode walk}. */
export interface WalkEntry extends Deno.DirEntry {
  /** Full path of the entry. */
  path: string;
}
export function walk(
  root: string | URL,
  options?: WalkOptions,
): AsyncIterableIterator<WalkEntry>;
