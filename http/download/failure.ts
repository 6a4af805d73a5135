/**
 * Which failures of a transfer are continued where it stopped.
 *
 * @module
 */
import { HTTPTimeoutError } from "../errors/http_timeout_error.ts";
import { NetworkError } from "../errors/network_error.ts";

/** True when the connection broke off, or fell silent, within the body. */
export function isContinuable(error: unknown): boolean {
  return (error instanceof NetworkError && error.failure === "body") ||
    (error instanceof HTTPTimeoutError && error.kind === "idle");
}
