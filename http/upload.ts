/**
 * Uploading a file, bytes or a stream, raw or as a form, without ever holding it whole.
 *
 * @module
 */
import { now } from "../_internal/clock.ts";
import { functionNamed, object, wrong } from "../_internal/validate.ts";
import { readableOf } from "./body.ts";
import { AsyncHTTPClient, checkClient, nodeTransportOf } from "./client.ts";
import { HTTPStatusError } from "./errors/http_status_error.ts";
import { UploadError } from "./errors/upload_error.ts";
import { type Envelope, envelope } from "./multipart.ts";
import { hasNodeTransport, sendByNode } from "./node_transport.ts";
import { checkSignal, type RequestOptions } from "./options.ts";
import { bytesOf, readExcerpt } from "./read_body.ts";
import { headerRecord } from "./request.ts";
import { exchangeOf } from "./tracked_response.ts";
import {
  type UploadInput,
  type UploadSource,
  uploadSource,
} from "./upload_source.ts";

/** How far an upload is. */
export interface UploadProgress {
  /** Bytes that the system has taken; a further attempt begins at 0 again. */
  readonly sent: number;
  /** Bytes of the whole; `undefined` for a stream. */
  readonly total: number | undefined;
  /** From 0 to 1; `undefined` like `total`. */
  readonly fraction: number | undefined;
  /** Milliseconds since the call. */
  readonly elapsed: number;
}

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
  checkOptions(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const input = await uploadSource(source);
  signal?.throwIfAborted();
  if (options.client !== undefined) {
    return await send(options.client, String(url), input, options);
  }
  const own = new AsyncHTTPClient({ retryPolicy: {} });
  try {
    const response = await send(own, String(url), input, options);
    // Its client ends with this call, so the answer is read here: it is short.
    const bytes = await bytesOf(response);
    const { status, statusText, headers } = response;
    return new Response(bytes.byteLength === 0 ? null : bytes, {
      status,
      statusText,
      headers,
    });
  } finally {
    await own.close();
  }
}

function checkOptions(options: UploadOptions): void {
  object("options", options);
  const { client, signal, method, field, fields, fileName, contentType } =
    options;
  checkClient(client);
  checkSignal(signal);
  if (options.onProgress !== undefined) {
    functionNamed("onProgress", options.onProgress);
  }
  if (method !== undefined) text("method", method);
  if (field !== undefined) text("field", field);
  if (fileName !== undefined) text("fileName", fileName);
  // It stands as it is in the form's head, where a line break would begin another header.
  if (contentType !== undefined) line("contentType", contentType);
  if (field === undefined && (fields ?? fileName) !== undefined) {
    throw new TypeError(
      "fields and fileName are a form's; give field, the name of the file's field, as well",
    );
  }
  if (fields === undefined) return;
  object("fields", fields);
  for (const name in fields) text(`fields.${name}`, fields[name]);
}

function text(name: string, value: unknown): void {
  if (typeof value !== "string") throw wrong(name, "a string", value, false);
}

function line(name: string, value: unknown): void {
  text(name, value);
  if (/[\r\n]/.test(String(value))) {
    throw wrong(name, "a string without line breaks", value, true);
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
  const total = source.length === undefined
    ? undefined
    : source.length + (form?.head.byteLength ?? 0) +
      (form?.tail.byteLength ?? 0);
  const headers = request.headers === undefined
    ? {}
    : headerRecord(request.headers);
  headers["content-type"] ??= form?.contentType ?? type;
  if (form !== undefined) headers["content-type"] = form.contentType;
  const start = now();
  const report = onProgress === undefined
    ? undefined
    : (sent: number) =>
      onProgress({
        sent,
        total,
        fraction: total === undefined
          ? undefined
          : total === 0
          ? 1
          : sent / total,
        elapsed: now() - start,
      });
  const node = hasNodeTransport() ? nodeTransportOf(client) : undefined;
  // Browsers send streams over HTTP/2 only, and without their length.
  const blob = hasNodeTransport() || source.whole === undefined
    ? undefined
    : new Blob(
      form === undefined
        ? [source.whole]
        : [form.head, source.whole, form.tail],
    );
  const body = () =>
    bodyStream(url, source, form, node === undefined ? report : undefined);
  if (node !== undefined) {
    if (total !== undefined) headers["content-length"] = String(total);
    headers["accept-encoding"] = "identity";
  }
  const verb = method ?? (form === undefined ? "PUT" : "POST");
  const response = await client.request(
    verb,
    url,
    {
      ...request,
      headers,
      body: blob ?? (source.replayable ? body : body()),
      ...(node !== undefined
        ? {
          fetch: (url: string, init: RequestInit) =>
            sendByNode(url, init, { onSent: report, certificates: node }),
        }
        : undefined),
    },
  );
  if (blob !== undefined) report?.(blob.size);
  if (response.ok) return response;
  const exchange = exchangeOf(response);
  throw new HTTPStatusError({
    response,
    method: verb,
    url,
    body: exchange === undefined ? "" : await readExcerpt(exchange, response),
  });
}

/** The source's bytes, within the envelope, and exactly as many as were announced. */
function bodyStream(
  url: string,
  source: UploadSource,
  form: Envelope | undefined,
  report: ((sent: number) => void) | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = parts(url, source, form);
  return readableOf(report === undefined ? chunks : counted(chunks, report));
}

/** Tells what has been taken, where nobody tells what has been sent. */
async function* counted(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  report: (sent: number) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let sent = 0;
  for await (const chunk of chunks) {
    yield chunk;
    report(sent += chunk.byteLength);
  }
}

async function* parts(
  url: string,
  source: UploadSource,
  form: Envelope | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (form !== undefined) yield form.head;
  const { length = Infinity } = source;
  let sent = 0;
  for await (const chunk of source.open()) {
    // What has been added meanwhile was not announced.
    const part = sent + chunk.byteLength > length
      ? chunk.subarray(0, length - sent)
      : chunk;
    sent += part.byteLength;
    if (part.byteLength > 0) yield part;
    if (sent >= length) break;
  }
  if (sent < length && length !== Infinity) {
    throw new UploadError(
      url,
      `the source became shorter while it was sent: ${sent} of ${length} bytes`,
    );
  }
  if (form !== undefined) yield form.tail;
}
