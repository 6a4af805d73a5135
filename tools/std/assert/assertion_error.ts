// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./assertion_error.d.ts"
export * from "npm:deno-std@1.3.0/assert/assertion_error.js";
