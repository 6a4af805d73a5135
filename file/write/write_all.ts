/**
 * Writing all of it: `FsFile.write` may take fewer bytes than it is given (a nearly full disk).
 *
 * @module
 */

/** Where bytes go: what this needs of `Deno.FsFile`. */
export interface ByteSink {
  /** Writes some of `bytes`, at least one, and resolves to how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Writes `bytes` to the end; a short write is continued where it stopped. */
export async function writeAll(
  file: ByteSink,
  bytes: Uint8Array,
): Promise<void> {
  let offset = await file.write(bytes);
  while (offset < bytes.byteLength) {
    const count = await file.write(bytes.subarray(offset));
    // The system never takes 0 of more than 0 bytes without an error; if it did, this would spin.
    if (count === 0) {
      throw new Deno.errors.WriteZero(
        `The system took none of ${bytes.byteLength - offset} bytes`,
      );
    }
    offset += count;
  }
}
