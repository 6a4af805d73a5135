/** Options for {@linkcode TextLineStream}. */
export interface TextLineStreamOptions {
  /** Allow splitting by `\r`. */
  allowCR?: boolean;
}
export class TextLineStream extends TransformStream<string, string> {
  constructor(options?: TextLineStreamOptions);
}
