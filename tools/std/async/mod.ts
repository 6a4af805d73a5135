export * from "./delay.ts";
export * from "./deadline.ts";
export * from "./abortable.ts";
export * from "./pool.ts";
export * from "./mux_async_iterator.ts";
