/**
 * Async infrastructure for TypeScript: tasks, streams, HTTP and files on one scheduler.
 *
 * @module
 */
export * from "./runner/mod.ts";
export * from "./streams/mod.ts";
export * from "./http/mod.ts";
export * from "./file/mod.ts";
export * from "./telemetry/mod.ts";
