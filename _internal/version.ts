/**
 * The version of this package, for instrumentation. A test compares it with deno.json.
 *
 * @module
 */

/** The package's name. */
export const PACKAGE = "@specify/async-core";

/** The package's version. */
export const VERSION = "0.1.0";
