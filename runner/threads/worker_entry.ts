/**
 * What runs in a worker: takes a call, loads the module, calls the function, answers.
 *
 * @module
 */
import { packThrown } from "./worker_errors.ts";
import {
  transferablesOf,
  type WorkerAnswer,
  type WorkerCall,
} from "./worker_protocol.ts";

/** The global scope of a dedicated worker, as far as it is used here. */
interface WorkerScope {
  addEventListener(
    type: "message",
    listener: (event: MessageEvent<WorkerCall>) => void,
  ): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(
    type: "unhandledrejection",
    listener: (event: PromiseRejectionEvent) => void,
  ): void;
  postMessage(message: WorkerAnswer, transfer: Transferable[]): void;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;

async function answer(
  { module: url, name, args }: WorkerCall,
): Promise<WorkerAnswer> {
  let module: Record<string, unknown>;
  try {
    module = await import(url);
  } catch (error) {
    return {
      kind: "unusable",
      message:
        `The module ${url} could not be loaded in the worker. The cause says why; ` +
        "under Deno a local module needs --allow-read.",
      cause: packThrown(error),
    };
  }
  const fn = module[name];
  if (typeof fn !== "function") {
    const functions = Object.keys(module)
      .filter((key) => typeof module[key] === "function");
    return {
      kind: "unusable",
      message: `The module ${url} exports no function named ${
        JSON.stringify(name)
      }. The functions that it exports: ${functions.join(", ") || "none"}.`,
      cause: undefined,
    };
  }
  try {
    return { kind: "done", value: await fn(...args) };
  } catch (error) {
    return { kind: "failed", thrown: packThrown(error) };
  }
}

scope.addEventListener("message", async ({ data: call }) => {
  const reply = await answer(call);
  try {
    scope.postMessage(
      reply,
      reply.kind === "done" ? transferablesOf(reply.value) : [],
    );
  } catch (error) {
    scope.postMessage({
      kind: "unusable",
      message:
        `The result of ${call.name} of ${call.module} cannot be sent to the caller's thread. ` +
        "Return what structured clone takes: no functions, no classes with methods.",
      cause: packThrown(error),
    }, []);
  }
});

function gone(message: string, cause?: unknown): void {
  scope.postMessage({
    kind: "gone",
    message,
    cause: cause === undefined ? undefined : packThrown(cause),
  }, []);
}

// The host is told nothing of a worker that ends itself: it would wait for ever. So it is asked to
// end this one.
scope.close = () => gone("The worker ended itself by close()");
if (typeof Deno !== "undefined") {
  const exit = Deno.exit;
  try {
    Object.defineProperty(Deno, "exit", {
      value: (code?: number) => {
        gone(`The worker ended itself by Deno.exit(${code ?? ""})`);
        exit(code);
      },
      configurable: true,
      writable: true,
    });
  } catch {
    // A runtime that seals it: a task that calls it hangs until it is cancelled.
  }
}

scope.addEventListener("error", (event) => {
  event.preventDefault();
  gone("The worker died of an uncaught error", event.error ?? event.message);
});
scope.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  gone("The worker died of an unhandled rejection", event.reason);
});
