// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./array_includes.d.ts"
export * from "npm:deno-std@1.3.0/assert/array_includes.js";
