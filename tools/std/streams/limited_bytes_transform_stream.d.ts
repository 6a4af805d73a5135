/** Options for {@linkcode LimitedBytesTransformStream}. */
export interface LimitedBytesTransformStreamOptions {
  /** If true, a {@linkcode RangeError} is thrown when queueing the current chunk would exceed the specified size limit. */
  error?: boolean;
}
export class LimitedBytesTransformStream
  extends TransformStream<Uint8Array, Uint8Array> {
  constructor(size: number, options?: LimitedBytesTransformStreamOptions);
}
