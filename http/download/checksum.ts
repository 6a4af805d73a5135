/**
 * Checksums of downloads.
 *
 * @module
 */
import { show } from "../../_internal/validate.ts";

/** The algorithms that can be asked for. */
export type ChecksumAlgorithm = "sha256" | "sha384" | "sha512" | "sha1" | "md5";

/** A checksum that a download must have. */
export interface ExpectedChecksum {
  /** How it is computed. @default {"sha256"} */
  readonly algorithm?: ChecksumAlgorithm | undefined;
  /** In hexadecimal digits. */
  readonly value: string;
}

const DIGITS: Record<ChecksumAlgorithm, number> = {
  sha256: 64,
  sha384: 96,
  sha512: 128,
  sha1: 40,
  md5: 32,
};

/** Takes `"sha256:9f86…"`, plain digits (SHA-256) or `{ algorithm, value }`. */
export function checkedChecksum(
  checksum: string | ExpectedChecksum | undefined,
): { algorithm: ChecksumAlgorithm; value: string } | undefined {
  if (checksum === undefined) return undefined;
  let algorithm: string = "sha256";
  let value: unknown;
  if (typeof checksum === "string") {
    const colon = checksum.indexOf(":");
    if (colon !== -1) algorithm = checksum.slice(0, colon).toLowerCase();
    value = checksum.slice(colon + 1);
  } else if (typeof checksum === "object" && checksum !== null) {
    algorithm = checksum.algorithm ?? "sha256";
    value = checksum.value;
  }
  const digits = DIGITS[algorithm as ChecksumAlgorithm];
  if (
    digits === undefined || typeof value !== "string" ||
    value.length !== digits || !/^[0-9a-f]+$/i.test(value)
  ) {
    throw new TypeError(
      `checksum must be hexadecimal digits of ${
        Object.keys(DIGITS).join(", ")
      } ("sha256:…"), got ${show(checksum)}`,
    );
  }
  return {
    algorithm: algorithm as ChecksumAlgorithm,
    value: value.toLowerCase(),
  };
}
