// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./glob_to_regexp.d.ts"
export * from "npm:deno-std@1.3.0/path/glob_to_regexp.js";
