// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./greater_or_equal.d.ts"
export * from "npm:deno-std@1.3.0/assert/greater_or_equal.js";
