/**
 * CPU work for a worker thread: see `worker_hashing.ts`.
 *
 * @module
 */
import { createHash, pbkdf2Sync } from "node:crypto";

/** The SHA-256 of bytes, in hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A password's key: slow on purpose. */
export function deriveKey(password: string, salt: string): string {
  return pbkdf2Sync(password, salt, 200_000, 32, "sha256").toString("hex");
}
