/** Options for {@linkcode globToRegExp}. */
export interface GlobToRegExpOptions {
  /** Extended glob syntax. */
  extended?: boolean;
  /** Globstar syntax. */
  globstar?: boolean;
  /** Whether globstar should be case-insensitive. */
  caseInsensitive?: boolean;
}
export function globToRegExp(
  glob: string,
  options?: GlobToRegExpOptions,
): RegExp;
