/**
 * Uploading a file, bytes or a stream, raw or as a form, without ever holding it whole.
 *
 * @module
 */
import {
  type Check,
  checkOptions,
  type Checks,
  functionNamed,
  object,
  string,
  wrong,
} from "../../_internal/validate.ts";
import { AsyncHTTPClient, checkClient, settingsOf } from "../client.ts";
import { envelope } from "./multipart.ts";
import { nodeTransportOf } from "./node_transport.ts";
import { REQUEST_CHECKS, type RequestOptions } from "../options.ts";
import { IS_SERVER } from "../call/call.ts";
import { bytesOf } from "../call/read_body.ts";
import { makeResponse } from "../request/make_response.ts";
import { headerRecord, urlText } from "../request/request.ts";
import { checkStatus } from "../call/response_promise.ts";
import { discardResponse } from "../call/tracked_response.ts";
import { UploadBodies, type UploadProgress } from "./upload_body.ts";
import {
  type UploadInput,
  type UploadSource,
  uploadSource,
} from "./upload_source.ts";

/** Options of {@linkcode asyncUpload}. */
export interface UploadOptions
  extends Omit<RequestOptions, "body" | "json" | "form" | "fetch"> {
  /** What makes the request. @default A client of its own, with the default retry policy. */
  client?: AsyncHTTPClient | undefined;
  /** The method. @default {"PUT"}, or "POST" for a form */
  method?: string | undefined;
  /** Sends a form (multipart/form-data) with the source in the field of this name. */
  field?: string | undefined;
  /** Further fields of the form, before the file. */
  fields?: Readonly<Record<string, string>> | undefined;
  /** The file's name in the form. @default The source's name, or "blob" */
  fileName?: string | undefined;
  /** Its type. @default The source's type, or "application/octet-stream" */
  contentType?: string | undefined;
  /** Told each time that the system has taken a part. */
  onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** It stands as it is in the form's head, where a line break would begin another header. */
const line: Check = (name, value) => {
  string(name, value);
  if (/[\r\n]/.test(String(value))) {
    throw wrong(name, "a string without line breaks", value, true);
  }
};

const {
  body: _body,
  json: _json,
  form: _form,
  fetch: _fetch,
  ...CALL_CHECKS
} = REQUEST_CHECKS;

/** The checks of those options. */
const UPLOAD_CHECKS: Checks<UploadOptions> = {
  ...CALL_CHECKS,
  client: checkClient,
  method: string,
  field: string,
  fields: (name, value) => {
    object(name, value);
    // An object: checked above.
    const given = value as Record<string, unknown>;
    for (const field in given) string(`${name}.${field}`, given[field]);
  },
  fileName: string,
  contentType: line,
  onProgress: functionNamed,
};

/**
 * Uploads `source`: a path, bytes or a Blob with its Content-Length, a stream in chunks. The
 * source is read as the network takes it, and closed when the server answers early. All but a
 * stream can be sent again, by the client's retry policy.
 *
 * @returns The response, whose status is 2xx.
 * @throws {HTTPStatusError} Any other status.
 * @throws {UploadError} The file became shorter meanwhile.
 *
 * @example
 * ```ts
 * import { asyncUpload } from "@specify/async-core";
 *
 * const server = Deno.serve(
 *   { port: 0, onListen() {} },
 *   async (request) => new Response(`${(await request.bytes()).length} bytes`),
 * );
 * const bytes = new TextEncoder().encode("contents");
 * const response = await asyncUpload(`http://localhost:${server.addr.port}/`, bytes);
 * console.log(await response.text()); // "8 bytes"
 * await server.shutdown();
 * ```
 */
export async function asyncUpload(
  url: string | URL,
  source: UploadInput,
  options: UploadOptions = {},
): Promise<Response> {
  const address = urlText(url);
  checkOptions("asyncUpload()", options, UPLOAD_CHECKS);
  const { signal, field, fields, fileName } = options;
  if (field === undefined && (fields ?? fileName) !== undefined) {
    throw new TypeError(
      "fields and fileName are a form's; give field, the name of the file's field, as well",
    );
  }
  signal?.throwIfAborted();
  const input = await uploadSource(source);
  signal?.throwIfAborted();
  const client = options.client ?? new AsyncHTTPClient({ retryPolicy: {} });
  try {
    const response = await send(client, address, input, options);
    if (client === options.client) return response;
    // Its client ends with this call, so the answer is read here: it is short.
    const bytes = await bytesOf(response);
    return makeResponse(bytes.byteLength === 0 ? null : bytes, response);
  } finally {
    if (client !== options.client) await client.close();
  }
}

async function send(
  client: AsyncHTTPClient,
  url: string,
  source: UploadSource,
  options: UploadOptions,
): Promise<Response> {
  const {
    client: _client,
    method,
    field,
    fields,
    fileName,
    contentType,
    onProgress,
    ...request
  } = options;
  const type = contentType ?? source.type ?? "application/octet-stream";
  const form = field === undefined ? undefined : envelope({
    field,
    fields: fields ?? {},
    fileName: fileName ?? source.name ?? "blob",
    contentType: type,
  });
  const headers = request.headers === undefined
    ? {}
    : headerRecord(request.headers);
  headers["content-type"] ??= form?.contentType ?? type;
  if (form !== undefined) headers["content-type"] = form.contentType;
  const node = IS_SERVER ? nodeTransportOf(settingsOf(client)) : undefined;
  // Browsers send streams over HTTP/2 only, and without their length.
  const blob = IS_SERVER || source.whole === undefined ? undefined : new Blob(
    form === undefined ? [source.whole] : [form.head, source.whole, form.tail],
  );
  const bodies = new UploadBodies({
    url,
    source,
    form,
    onProgress,
    node,
  });
  if (node !== undefined) headers["accept-encoding"] = "identity";
  const answer = client.request(
    method ?? (form === undefined ? "PUT" : "POST"),
    url,
    {
      ...request,
      headers,
      // Called for each attempt; a stream of the caller's can be sent once.
      body: blob ??
        (source.replayable ? () => bodies.next() : bodies.of(undefined)),
      ...(node !== undefined
        ? { fetch: (url: string, init: RequestInit) => bodies.send(url, init) }
        : undefined),
    },
  );
  let response: Response | undefined;
  try {
    response = await answer;
    await checkStatus(answer, response);
    if (blob !== undefined) bodies.reporter(blob.size)?.(blob.size);
    return response;
  } catch (error) {
    if (response !== undefined) discardResponse(response);
    await bodies.stop(error);
    throw error;
  }
}
