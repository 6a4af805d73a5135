/** Options for {@linkcode copy}. */
export interface CopyOptions {
  /** Whether to overwrite existing file or directory. */
  overwrite?: boolean;
  /** When `true`, will set last modification and access times to the ones of the original source files. */
  preserveTimestamps?: boolean;
}
export function copy(
  src: string | URL,
  dest: string | URL,
  options?: CopyOptions,
): Promise<void>;
export function copySync(
  src: string | URL,
  dest: string | URL,
  options?: CopyOptions,
): void;
