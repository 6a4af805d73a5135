/**
 * The request's body: what can be sent again and what cannot.
 *
 * @module
 */
import { isAsyncIterable } from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { show } from "../../_internal/validate.ts";
import { isStreamed } from "./outgoing_stream.ts";
import type { BodyFactory, BodySource } from "./request.ts";

/** A body to be sent, perhaps several times. */
export interface RequestBody {
  /** The body itself, or the function that makes it. */
  readonly source: BodySource | BodyFactory;
  /** False for a stream: once read, it is gone. */
  readonly replayable: boolean;
}

/**
 * Wraps what the caller gave.
 *
 * @throws {TypeError} For what fetch would send as "[object Object]" and the like.
 */
export function requestBody(source: BodySource | BodyFactory): RequestBody {
  if (typeof source !== "function") {
    checkSource("body", source, " or a function that makes one");
  }
  return {
    source,
    replayable: typeof source === "function" || !isStreamed(source),
  };
}

/** The body for one attempt. */
export function bodyForAttempt(
  body: RequestBody,
  attempt: number,
): BodySource | Promise<BodySource> {
  const { source } = body;
  if (typeof source !== "function") return source;
  const made = source({ attempt });
  return isThenable(made)
    ? Promise.resolve(made).then(checkMade)
    : checkMade(made);
}

function checkMade(made: BodySource): BodySource {
  checkSource("what the function given as body makes", made, "");
  return made;
}

/** What fetch knows by itself. */
const KINDS = [Blob, ArrayBuffer, FormData, URLSearchParams, ReadableStream];

function checkSource(name: string, source: unknown, further: string): void {
  if (
    typeof source === "string" || ArrayBuffer.isView(source) ||
    KINDS.some((kind) => source instanceof kind) || isAsyncIterable(source)
  ) return;
  throw new TypeError(
    `${name} must be text, bytes, a Blob, a form, a stream${further} (an object goes into json), got ${
      show(source)
    }`,
  );
}
