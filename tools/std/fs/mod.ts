export * from "./ensure_dir.ts";
export * from "./exists.ts";
export * from "./copy.ts";
export * from "./walk.ts";
