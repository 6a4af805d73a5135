// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./from_file_url.d.ts"
export * from "npm:deno-std@1.3.0/path/from_file_url.js";
