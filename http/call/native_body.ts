/**
 * A response's own body, past whatever this client has put before it.
 *
 * @module
 */

// Present in every runtime that has fetch.
const getter = Object.getOwnPropertyDescriptor(Response.prototype, "body")?.get;

/** The body as fetch made it. */
export function nativeBody(
  response: Response,
): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  return getter?.call(response) ?? null;
}
