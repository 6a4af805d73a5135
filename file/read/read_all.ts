/**
 * Reading many files, several at a time.
 *
 * @module
 */
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import { abortError } from "../../_internal/errors.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  integerFrom,
  priorityOption,
  runnerOption,
  wordOrFunction,
  wrong,
} from "../../_internal/validate.ts";
import type { TaskPriority } from "../../runner/priority.ts";
import type { TaskRunner } from "../../runner/types.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import { toPath } from "../paths.ts";
import { asTask } from "../../runner/as_task.ts";
import {
  asyncReadFile,
  READ_CHECKS,
  type ReadFileOptions,
} from "./read_file.ts";

/** Options for {@linkcode readAll}. */
export interface ReadAllOptions extends ReadFileOptions {
  /** Files read at once, and how many are read ahead of the consumer. @default {16} */
  concurrency?: number | undefined;
  /** Results in the order of the paths; `false`: as they come. @default {true} */
  ordered?: boolean | undefined;
  /** Read each file as a task of this runner, within its limit too. */
  runner?: TaskRunner | undefined;
  /** Priority of those tasks. @default {TaskPriority.NORMAL} */
  priority?: TaskPriority | undefined;
  /**
   * What to do about a file that cannot be read: `"throw"` ends the stream, `"skip"` leaves it out, a
   * function is told and the stream goes on.
   *
   * @default {"throw"}
   */
  onError?:
    | "throw"
    | "skip"
    | ((error: unknown, path: string) => void)
    | undefined;
}

/** One file that was read. */
export interface ReadResult<T> {
  /** Its path, as it was given. */
  path: string;
  /** What is in it. */
  content: T;
}

const DEFAULT_CONCURRENCY = 16;

const CHECKS: Checks<ReadAllOptions> = {
  ...READ_CHECKS,
  concurrency: integerFrom(1),
  ordered: boolean,
  runner: runnerOption,
  priority: priorityOption,
  onError: wordOrFunction("throw", "skip"),
};

/**
 * Reads many files as a stream, several at a time: of paths, URLs, or what `walkAsync` yields.
 *
 * @throws {RangeError | TypeError} When an option is wrong.
 *
 * @example
 * ```ts
 * import { readAll } from "@specify/async-core";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "content");
 * for await (const { content } of readAll([path])) console.log(content); // content
 * await Deno.remove(path);
 * ```
 */
export function readAll(
  paths: ReadAllSource,
  options: ReadAllOptions & { as: "bytes" },
): AsyncStream<ReadResult<Uint8Array<ArrayBuffer>>>;
/** Reads many files as text. */
export function readAll(
  paths: ReadAllSource,
  options?: ReadAllOptions & { as?: "text" | undefined },
): AsyncStream<ReadResult<string>>;
export function readAll(
  paths: ReadAllSource,
  options: ReadAllOptions = {},
): AsyncStream<ReadResult<string | Uint8Array<ArrayBuffer>>> {
  // Here, not with each file: what is wrong with all of them is no matter of onError.
  checkOptions("readAll()", options, CHECKS);
  // A string is iterable too, by characters, which nobody means.
  if (typeof paths === "string") {
    throw wrong("paths", "an iterable of paths", paths, false);
  }
  const { concurrency = DEFAULT_CONCURRENCY, ordered = true, signal } = options;
  const items = AsyncStream.from<string | URL | { path: string }>(paths)
    .map(pathOf);
  const results = AsyncStream.from(() => {
    const run = new ReadRun(options);
    return new ConcurrentMap(items, (path) => run.read(path), {
      concurrency,
      ordered,
      finished: () => run.takeBack(abortError("The stream of files was left")),
    });
  });
  return (signal === undefined ? results : results.abortable(signal))
    .filter((result) => result !== undefined);
}

/** One reading of the stream. */
class ReadRun {
  readonly #options: ReadAllOptions;
  /** What `as` says is known at run time only. */
  readonly #reading: ReadFileOptions & { as: "bytes" };
  /** The reads that wait for the runner: behind those that run, since a runner keeps the order. */
  readonly #waiting = new Set<AbortController>();

  constructor(options: ReadAllOptions) {
    this.#options = options;
    const { as = "text", encoding, fatal, signal } = options;
    this.#reading = { as: as as "bytes", encoding, fatal, signal };
  }

  /** The content of a file; `undefined` for one that is left out. */
  async read(
    path: string,
  ): Promise<ReadResult<string | Uint8Array<ArrayBuffer>> | undefined> {
    const { runner, onError = "throw", signal } = this.#options;
    const task = runner && new AbortController();
    try {
      const content = await (runner === undefined || task === undefined
        ? asyncReadFile(path, this.#reading)
        : this.#inRunner(runner, task, path));
      return { path, content };
    } catch (error) {
      // Taken back, or refused by the runner: no error of the file.
      const hasNotBegun = task !== undefined && this.#waiting.delete(task);
      try {
        if (onError === "throw" || signal?.aborted || hasNotBegun) throw error;
        // Awaited: an async function will do as well, and its rejection must not be lost.
        if (onError !== "skip") await onError(error, path);
        return undefined;
      } catch (failure) {
        this.takeBack(failure);
        throw failure;
      }
    }
  }

  /** Takes what waits in the runner's queue out of it. What runs goes on, and may be delivered. */
  takeBack(reason: unknown): void {
    for (const task of this.#waiting) task.abort(reason);
  }

  #inRunner(
    runner: TaskRunner,
    task: AbortController,
    path: string,
  ): Promise<string | Uint8Array<ArrayBuffer>> {
    const { priority } = this.#options;
    this.#waiting.add(task);
    // Here, not by the stream's map, which asks for room before it reads its source: that may
    // be a walk in the same runner, which takes the room.
    return asTask(runner, () => {
      this.#waiting.delete(task);
      return asyncReadFile(path, this.#reading);
    }, { priority, signal: task.signal, name: `read ${path}` });
  }
}

/** What {@linkcode readAll} takes. */
export type ReadAllSource =
  | Iterable<string | URL | { path: string }>
  | AsyncIterable<string | URL | { path: string }>;

function pathOf(item: string | URL | { path: string }): string {
  return typeof item === "object" && !(item instanceof URL)
    ? toPath("path", item?.path)
    : toPath("path", item);
}
