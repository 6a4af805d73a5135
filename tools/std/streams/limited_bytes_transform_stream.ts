// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
// @ts-types="./limited_bytes_transform_stream.d.ts"
export * from "npm:deno-std@1.3.0/streams/limited_bytes_transform_stream.js";
