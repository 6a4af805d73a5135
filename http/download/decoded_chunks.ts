/**
 * A download's bytes from a server that compresses them though it was asked not to.
 *
 * @module
 */
import { AsyncStream } from "../../streams/mod.ts";
import { encodingOf } from "./head.ts";
import { DownloadError } from "../errors/download_error.ts";
import { NetworkError } from "../errors/network_error.ts";
import { ResponseTooLargeError } from "../errors/response_too_large_error.ts";
import { bodyChunks, exchangeOf } from "../call/tracked_response.ts";

/**
 * The file's bytes. `identity` was asked for, and then fetch decodes nothing; a server that
 * compresses all the same is decoded here.
 *
 * @throws {NetworkError} What came is not compressed as it says, or not to its end.
 */
export function decodedChunks(
  response: Response,
  url: string,
): AsyncIterable<Uint8Array<ArrayBuffer>> {
  const chunks = bodyChunks(response);
  const encoding = encodingOf(response.headers);
  if (encoding === undefined) return chunks;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new DownloadError(
      url,
      `the server compressed it with ${encoding}, though it was asked not to`,
    );
  }
  // The client counts what comes; its limit is meant for what that becomes.
  const limit = exchangeOf(response)?.call.settings.maxResponseBytes ??
    Infinity;
  return decode(chunks, encoding, limit, url);
}

async function* decode(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  encoding: CompressionFormat,
  maxResponseBytes: number,
  url: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const decoded = AsyncStream.from(chunks).toReadableStream().pipeThrough(
    new DecompressionStream(encoding),
  );
  let total = 0;
  try {
    for await (const chunk of decoded) {
      total += chunk.byteLength;
      if (total > maxResponseBytes) {
        throw new ResponseTooLargeError(
          url,
          maxResponseBytes,
          "maxResponseBytes",
        );
      }
      yield chunk;
    }
  } catch (cause) {
    // The decoder's own failure: those of the transfer are none.
    if (!(cause instanceof TypeError)) throw cause;
    throw new NetworkError("GET", url, "body", {
      cause,
      detail: `it is no whole ${encoding}`,
    });
  }
}
