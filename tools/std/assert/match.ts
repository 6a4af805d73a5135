// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./match.d.ts"
export * from "npm:deno-std@1.3.0/assert/match.js";
