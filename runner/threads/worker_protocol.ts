/**
 * What the two sides of a worker say to each other. The host sends one call at a time; the
 * worker answers each with exactly one of `done`, `failed`, `unusable`, or says `gone`, after
 * which it answers nothing more.
 *
 * @module
 */
import type { SentValue } from "./worker_errors.ts";

/** Host to worker: call a function of a module. */
export interface WorkerCall {
  readonly module: string;
  readonly name: string;
  readonly args: readonly unknown[];
}

/** Worker to host. */
export type WorkerAnswer =
  /** The function returned. */
  | { readonly kind: "done"; readonly value: unknown }
  /** The function threw. */
  | { readonly kind: "failed"; readonly thrown: SentValue }
  /** The call could not be made, or its result could not be sent; or the worker ends. */
  | {
    readonly kind: "unusable" | "gone";
    readonly message: string;
    readonly cause: SentValue | undefined;
  };

/** Results whose parts are to be moved, by the result. Shared by all copies of this module. */
const TRANSFERS = Symbol.for("@specify/async-core/transfers");

type Transfers = WeakMap<object, Transferable[]>;

function transfers(): Transfers {
  const holder = globalThis as { [TRANSFERS]?: Transfers };
  return holder[TRANSFERS] ??= new WeakMap();
}

/**
 * Marks the result of an offloaded function: `transferables` (the ArrayBuffers, ports and streams
 * within it) are moved to the caller's thread instead of copied. Returns `value`.
 *
 * @example
 * ```ts
 * import { transfer } from "@specify/async-core";
 *
 * // In the module that is offloaded to:
 * export function zeros(length: number): Uint8Array {
 *   const bytes = new Uint8Array(length);
 *   return transfer(bytes, [bytes.buffer]);
 * }
 * ```
 */
export function transfer<T extends object>(
  value: T,
  transferables: Transferable[],
): T {
  transfers().set(value, transferables);
  return value;
}

/** What is to be moved with `value`. */
export function transferablesOf(value: unknown): Transferable[] {
  return typeof value === "object" && value !== null
    ? transfers().get(value) ?? []
    : [];
}
