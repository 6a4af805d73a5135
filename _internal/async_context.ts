/**
 * The submitter's async context (what AsyncLocalStorage keeps), carried to where its work is
 * started. `AsyncLocalStorage.snapshot()` costs 0.9 us under Deno and cannot tell whether there
 * is anything to carry; Deno's own accessor costs 0.01 us and can, so it is used where it exists.
 *
 * @module
 */

/** What `capture` returns: nothing to look into. */
export type AsyncContext = unknown;

/** What is run in a context: an object with a method, so that no closure is needed. */
export interface Runnable<A> {
  run(argument: A): unknown;
}

interface ContextAccess {
  /** The present context; `undefined` when there is none. */
  capture(): AsyncContext;
  /** Calls `work.run(argument)` with `context` as the present one, and restores it afterwards. */
  run<A>(context: AsyncContext, work: Runnable<A>, argument: A): unknown;
}

interface DenoCore {
  getAsyncContext(): unknown;
  setAsyncContext(context: unknown): void;
}

function denoAccess(): ContextAccess | undefined {
  if (typeof Deno === "undefined") return undefined;
  const deno = Deno as unknown as Record<symbol, unknown> & {
    internal?: symbol;
  };
  const core = deno.internal === undefined
    ? undefined
    : (deno[deno.internal] as { core?: Partial<DenoCore> } | undefined)?.core;
  if (
    typeof core?.getAsyncContext !== "function" ||
    typeof core.setAsyncContext !== "function"
  ) return undefined;
  const { getAsyncContext, setAsyncContext } = core as DenoCore;
  return {
    capture: getAsyncContext,
    run(context, work, argument) {
      const previous = getAsyncContext();
      if (previous === context) return work.run(argument);
      setAsyncContext(context);
      try {
        return work.run(argument);
      } finally {
        setAsyncContext(previous);
      }
    },
  };
}

function nodeAccess(): ContextAccess | undefined {
  const { process } = globalThis as {
    process?: {
      getBuiltinModule?: (name: string) => {
        AsyncLocalStorage?: {
          snapshot?: () => (fn: () => unknown) => unknown;
        };
      } | undefined;
    };
  };
  const storage = process?.getBuiltinModule?.("node:async_hooks")
    ?.AsyncLocalStorage;
  if (typeof storage?.snapshot !== "function") return undefined;
  return {
    capture: () => storage.snapshot!(),
    run: (context, work, argument) =>
      (context as (fn: () => unknown) => unknown)(() => work.run(argument)),
  };
}

/** Where neither exists (browsers), there is no context to keep. */
const none: ContextAccess = {
  capture: () => undefined,
  run: (_context, work, argument) => work.run(argument),
};

let access: ContextAccess | undefined;

/** The runtime's way to the async context, looked up at the first use. */
export function contextAccess(): ContextAccess {
  return access ??= denoAccess() ?? nodeAccess() ?? none;
}
