/**
 * One file in a multipart/form-data envelope, with its length known beforehand.
 *
 * @module
 */

/** What is put around the file. */
export interface Envelope {
  /** For the Content-Type header. */
  readonly contentType: string;
  /** Before the file. */
  readonly head: Uint8Array<ArrayBuffer>;
  /** After the file. */
  readonly tail: Uint8Array<ArrayBuffer>;
}

/** The file's part, and the fields before it. */
export interface EnvelopeParts {
  /** Name of the file's field. */
  readonly field: string;
  /** The file's name. */
  readonly fileName: string;
  /** The file's type. */
  readonly contentType: string;
  /** Further fields, sent before the file. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Makes the envelope. */
export function envelope(parts: EnvelopeParts): Envelope {
  const encoder = new TextEncoder();
  // Random, 122 bits: that it occurs within the file is out of the question.
  const boundary = `----async-core-${crypto.randomUUID()}`;
  let head = "";
  for (const [name, value] of Object.entries(parts.fields)) {
    head += `--${boundary}\r\n` +
      `Content-Disposition: form-data; name="${escapeName(name)}"\r\n\r\n` +
      `${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`;
  }
  head += `--${boundary}\r\n` +
    `Content-Disposition: form-data; name="${escapeName(parts.field)}"; ` +
    `filename="${escapeName(parts.fileName)}"\r\n` +
    `Content-Type: ${parts.contentType}\r\n\r\n`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    head: encoder.encode(head),
    tail: encoder.encode(`\r\n--${boundary}--\r\n`),
  };
}

/**
 * As the HTML standard writes names: UTF-8, with only the quote and line breaks escaped. (RFC 5987's
 * `filename*` is forbidden in forms, and servers ignore it.)
 */
export function escapeName(name: string): string {
  return name.replace(/\r\n|\r|\n/g, "%0D%0A").replaceAll('"', "%22");
}
