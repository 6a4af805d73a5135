export function toArrayBuffer(
  stream: ReadableStream<Uint8Array>,
): Promise<ArrayBuffer>;
