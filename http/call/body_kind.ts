/**
 * As what a body is read.
 *
 * @module
 */

/** What a body can be read as. */
export type BodyKind = "json" | "text" | "bytes" | "blob" | "buffer";
