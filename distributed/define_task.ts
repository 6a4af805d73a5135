/**
 * Tasks with a name, which run here or on any machine that was given their definition.
 *
 * @module
 */
import {
  asyncTimeout,
  RetryPolicy,
  type RetryPolicyOptions,
  type StandardSchema,
  type SubmitOptions,
  type Task,
  type TaskContext,
  type TaskHandle,
  withRetry,
} from "@specify/async-core";
import {
  checkOptions,
  type Checks,
  duration,
  functionNamed,
  object,
  show,
  text,
} from "@specify/async-core/host";

/** What a task does with an input of type `Input`. */
export type TaskHandler<Input, Output> = (
  input: Input,
  context: TaskContext,
) => Output | PromiseLike<Output>;

/** What belongs to every run of a task. */
export interface DefineTaskOptions<Input> {
  /** Longest time of one run in milliseconds; a submit may name another. @default {Infinity} */
  timeout?: number | undefined;
  /**
   * When to try again after a failure. On a cluster the next try may be on another worker.
   * @default {no retries}
   */
  retry?: RetryPolicy | RetryPolicyOptions | undefined;
  /**
   * On a cluster, tasks of the same key share the `maxPerKey` of the runner of the worker that
   * runs them. A local runner takes the key from its own submit.
   */
  key?: ((input: Input) => string) | undefined;
  /** Checks the input where the task runs, and gives the handler what it made of it. */
  input?: StandardSchema<unknown, Input> | undefined;
}

const CHECKS: Checks<DefineTaskOptions<unknown>> = {
  timeout: duration,
  retry: (name, value) => object(name, value, "a RetryPolicy or "),
  key: functionNamed,
  input: (name, value) => {
    // A schema may be a function.
    const validate = (value as Partial<StandardSchema<unknown, unknown>> | null)
      ?.["~standard"]?.validate;
    if (typeof validate === "function") return;
    throw new TypeError(
      `${name} must be a Standard Schema (zod, valibot, arktype and others make them), got ${
        show(value)
      }`,
    );
  },
};

/**
 * A defined task. Called with an input it gives an ordinary Task. Called as `map` calls its
 * function, with an index and a context too, it runs at once, so that `runner.map(inputs, task)`
 * means the same for a local runner and for a cluster.
 */
export interface DefinedTask<Input, Output> {
  /** A Task for this input, for any runner's submit and gather. */
  (input: Input): Task<Output>;
  /** Runs it: the shape of what `map` takes. */
  (
    input: Input,
    index: number,
    context: TaskContext,
  ): Output | PromiseLike<Output>;
  /** The name by which workers know it. */
  readonly taskName: string;
}

/** What a cluster needs to know of a definition. */
export interface Definition {
  readonly name: string;
  readonly handler: TaskHandler<never, unknown>;
  readonly timeout: number;
  readonly retry: RetryPolicy | undefined;
  readonly key: ((input: never) => string) | undefined;
  readonly input: StandardSchema<unknown, unknown> | undefined;
}

/** A definition and an input: what a cluster sends. */
export interface Call {
  readonly definition: Definition;
  readonly input: unknown;
}

// Beside the functions, not on them: nothing of a cluster shows on an ordinary Task.
const definitions = new WeakMap<object, Definition>();
const calls = new WeakMap<object, Call>();

/** The definition of a defined task. */
export function definitionOf(task: unknown): Definition | undefined {
  return typeof task === "function" ? definitions.get(task) : undefined;
}

/** What a Task that a defined task made stands for. */
export function callOf(task: unknown): Call | undefined {
  return typeof task === "function" ? calls.get(task) : undefined;
}

/**
 * Defines a task: a name by which workers know it, and what it does.
 *
 * @param name Unique within the queue. Give changed semantics a new name: workers of an older
 * version of the program leave names that they do not know to others.
 * @param handler What it does. Its input and output must be plain data (see `encode`'s rules in
 * docs/DISTRIBUTED.md) for a cluster; a local runner takes anything.
 * @throws {TypeError | RangeError} When an argument is wrong.
 *
 * @example
 * ```ts
 * import { AsyncRunner } from "@specify/async-core";
 * import { defineTask } from "@specify/async-distributed";
 *
 * const square = defineTask("square", (n: number) => n * n);
 *
 * await using runner = new AsyncRunner();
 * console.log(await runner.submit(square(12))); // 144
 * // On many machines: `await cluster.submit(square(12))`.
 * ```
 */
export function defineTask<Input, Output>(
  name: string,
  handler: TaskHandler<Input, Output>,
  options: DefineTaskOptions<Input> = {},
): DefinedTask<Input, Output> {
  text("name", name);
  functionNamed("handler", handler);
  checkOptions("defineTask()", options, CHECKS);
  const { timeout = Infinity, retry, key, input: schema } = options;
  const policy = retry === undefined || retry instanceof RetryPolicy
    ? retry
    : new RetryPolicy(retry);
  const definition: Definition = {
    name,
    handler,
    timeout,
    retry: policy,
    key,
    input: schema as StandardSchema<unknown, unknown> | undefined,
  };

  function task(input: Input): Task<Output>;
  function task(
    input: Input,
    index: number,
    context: TaskContext,
  ): Output | PromiseLike<Output>;
  function task(
    input: Input,
    _index?: number,
    context?: TaskContext,
  ): Task<Output> | Output | PromiseLike<Output> {
    // What the handler gives is of its type.
    const run = (context: TaskContext) =>
      runHere(definition, input, context) as Output | PromiseLike<Output>;
    if (isContext(context)) return run(context);
    Object.defineProperty(run, "name", { value: name });
    calls.set(run, { definition, input });
    return run;
  }
  Object.defineProperty(task, "name", { value: name });
  definitions.set(task, definition);
  return Object.defineProperty(task, "taskName", {
    value: name,
    enumerable: true,
  }) as typeof task & { readonly taskName: string };
}

/** A run on a local runner: all tries, each within the definition's timeout. */
function runHere(
  definition: Definition,
  input: unknown,
  context: TaskContext,
): unknown {
  const { retry } = definition;
  if (retry === undefined) return tryOnce(definition, input, context);
  return withRetry(
    () => tryOnce(definition, input, context),
    retry,
    { signal: context.signal },
  );
}

function tryOnce(
  definition: Definition,
  input: unknown,
  context: TaskContext,
): unknown {
  if (definition.timeout === Infinity) {
    return callHandler(definition, input, context);
  }
  return asyncTimeout(
    definition.timeout,
    (signal) =>
      callHandler(
        definition,
        input,
        new ContextWith(context, context.id, signal),
      ),
    { signal: context.signal },
  );
}

/** Checks the input, if there is a schema, and calls the handler. */
export function callHandler(
  { handler, input: schema, name }: Definition,
  input: unknown,
  context: TaskContext,
): unknown {
  // The schema, or the type of the function that made the call, says what the input is.
  if (schema === undefined) return handler(input as never, context);
  return checked(schema, input, name).then((value) =>
    handler(value as never, context)
  );
}

async function checked(
  schema: StandardSchema<unknown, unknown>,
  input: unknown,
  name: string,
): Promise<unknown> {
  const result = await schema["~standard"].validate(input);
  if (result.issues === undefined) return result.value;
  const listed = result.issues.slice(0, 3).map(({ message, path }) => {
    const where = path?.map((part) =>
      String(typeof part === "object" ? part.key : part)
    ).join(".") ?? "";
    return where === "" ? message : `${where}: ${message}`;
  }).join("; ");
  throw Object.assign(
    new TypeError(`The input of ${name} does not fit its schema: ${listed}`),
    { issues: result.issues },
  );
}

function isContext(value: unknown): value is TaskContext {
  return typeof value === "object" && value !== null && "signal" in value &&
    value.signal instanceof AbortSignal && "shield" in value;
}

/** A context with another id or another signal. */
export class ContextWith implements TaskContext {
  readonly id: string;
  readonly signal: AbortSignal;
  readonly #context: TaskContext;

  constructor(context: TaskContext, id: string, signal: AbortSignal) {
    this.#context = context;
    this.id = id;
    this.signal = signal;
  }

  get name(): string {
    return this.#context.name;
  }

  get priority(): TaskContext["priority"] {
    return this.#context.priority;
  }

  submit<T>(task: Task<T>, options?: SubmitOptions): TaskHandle<T> {
    return this.#context.submit(task, options);
  }

  progress(value: unknown): void {
    this.#context.progress(value);
  }

  shield<T>(
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
  ): Promise<T> {
    return this.#context.shield(fn);
  }
}
