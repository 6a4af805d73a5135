/** Options for {@linkcode exists}. */
export interface ExistsOptions {
  /** When `true`, will check if the path is readable by the user as well. */
  isReadable?: boolean;
  /** When `true`, will check if the path is a directory as well. */
  isDirectory?: boolean;
  /** When `true`, will check if the path is a file as well. */
  isFile?: boolean;
}
export function exists(
  path: string | URL,
  options?: ExistsOptions,
): Promise<boolean>;
export function existsSync(
  path: string | URL,
  options?: ExistsOptions,
): boolean;
