/**
 * The check of permission bits.
 *
 * @module
 */
import { wrong } from "../_internal/validate.ts";

/** Checks permission bits. */
export function permissionBits(name: string, value: unknown): number {
  if (
    typeof value === "number" && Number.isInteger(value) && value >= 0 &&
    value <= 0o7777
  ) return value;
  throw wrong(
    name,
    "permission bits from 0 to 0o7777",
    value,
    typeof value === "number",
  );
}
