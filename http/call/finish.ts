/**
 * The end of a call with a response: its body is read within the attempt, refused, or handed out.
 *
 * @module
 */
import type { Call } from "./call.ts";
import { HTTPStatusError } from "../errors/http_status_error.ts";
import type { Exchange } from "./exchange.ts";
import type { BodyKind } from "./body_kind.ts";
import { readExcerpt, readWhole } from "./read_body.ts";
import { redactURL } from "../redact.ts";
import { track } from "./tracked_response.ts";

/** The response is the answer (only called with one): its body is read here, or handed out with it. */
export function finish(
  call: Call,
  exchange: Exchange,
  attempt: number,
): Response | Promise<Response> {
  const { bodyUsed, ok } = exchange.response!; // as above
  if (bodyUsed) {
    // A hook has read it: there is no end of the body left to wait for.
    if (call.reader === undefined) exchange.end();
    else if (ok) {
      exchange.discard();
      throw new TypeError(
        `The body of ${call.method} ${
          redactURL(call.url)
        } has been read already, by afterResponse or by what stands in for fetch; it should read response.clone()`,
      );
    }
  }
  return call.reader === undefined
    ? track(exchange)
    : read(call, exchange, call.reader, attempt);
}

function read(
  call: Call,
  exchange: Exchange,
  reader: BodyKind,
  attempt: number,
): Promise<Response> {
  const response = exchange.response!; // only called with one
  return response.ok || reader === "buffer"
    ? readWhole(exchange, response, reader)
    : refuse(call, exchange, response, attempt);
}

async function refuse(
  call: Call,
  exchange: Exchange,
  response: Response,
  attempt: number,
): Promise<never> {
  const body = await readExcerpt(exchange, response);
  // A hook's reader may still hold it.
  exchange.discard();
  if (call.isAborted) throw call.reason;
  throw new HTTPStatusError({
    response,
    method: call.method,
    url: call.url,
    body,
    attempts: attempt,
    failures: call.failures ?? [],
    notRetried: call.notRetried,
  });
}
