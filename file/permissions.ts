/**
 * The check of permission bits.
 *
 * @module
 */
import { show } from "../_internal/validate.ts";

/** Checks a `permissions` option. */
export function checkPermissions(value: number | undefined): void {
  if (
    value !== undefined &&
    !(Number.isInteger(value) && value >= 0 && value <= 0o7777)
  ) {
    throw new RangeError(
      `permissions must be permission bits from 0 to 0o7777, got ${
        show(value)
      }`,
    );
  }
}
