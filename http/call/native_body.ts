/**
 * A response's own body, past whatever this client has put before it.
 *
 * @module
 */
import { copyResponse } from "../request/make_response.ts";

// Present in every runtime that has fetch.
const getter = Object.getOwnPropertyDescriptor(Response.prototype, "body")?.get;

/** The body as fetch made it. */
export function nativeBody(
  response: Response,
): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  return getter?.call(response) ?? null;
}

/** Under this key a response that a client has handed out knows its exchange. */
export const EXCHANGE: unique symbol = Symbol("exchange");

/**
 * A response that another call has handed out (a client in another one's fetch, or a hook's), as
 * one of a stranger's: its own call hears of the body's end, which this one's would hide from it.
 */
export function handedOver(response: Response): Response {
  return EXCHANGE in response && !response.bodyUsed
    ? copyResponse(response.body, response)
    : response;
}

/** Drops the body without waiting for it: one that never ends may take as long to cancel. */
export function dropBody(response: Response): void {
  // Refused while it is being read: whoever reads it has it then.
  response.body?.cancel().catch(() => {});
}
