export * from "./text_line_stream.ts";
export * from "./to_array_buffer.ts";
export * from "./to_text.ts";
export * from "./limited_bytes_transform_stream.ts";
