/**
 * Watching a directory: what is created, modified, removed and renamed in it.
 *
 * @module
 */
import { DisposedError } from "../../_internal/errors.ts";
import {
  boolean,
  checkOptions,
  type Checks,
  checkSignal,
  duration,
  finiteDuration,
  word,
} from "../../_internal/validate.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import { type PathPattern, pathPattern, pathTest } from "../walk/matcher.ts";
import { toPath } from "../paths.ts";
import type { WatchEvent, WatchPlan } from "./event.ts";
import { DEFAULT_POLL, WatchSession } from "./session.ts";

/** Options for {@linkcode AsyncDirectoryWatcher}. */
export interface DirectoryWatcherOptions {
  /** Tell only of what matches one of these. @default {everything} */
  patterns?: PathPattern | readonly PathPattern[] | undefined;
  /** Leave out what matches one of these, with everything below it. @default {nothing} */
  ignore?: PathPattern | readonly PathPattern[] | undefined;
  /** Everything below the directory, not just what is directly in it. @default {true} */
  recursive?: boolean | undefined;
  /**
   * How long a path is left alone after it was first heard of, in milliseconds; what it is then counts.
   * A file that is created and removed within that time is nothing, a save by way of a temporary
   * file is one modify.
   *
   * @default {50}
   */
  debounce?: number | undefined;
  /**
   * Tell of a file only when its size and modification time have stayed the same for so many milliseconds:
   * it has been written completely, as far as one can see.
   *
   * @default {0}
   */
  settle?: number | undefined;
  /** Begin with a create for everything that is there. @default {false} */
  initial?: boolean | undefined;
  /**
   * Look at everything again and again instead of being told by the system: every so many
   * milliseconds, `true` for 250. For network drives, of which the system tells nothing. Without native
   * watchers (none in this runtime, or the system has none left), it is polled anyway.
   *
   * @default {false}
   */
  poll?: boolean | number | undefined;
  /**
   * When the directory is not there, or is removed: `"error"` ends the stream with a
   * WatchRootError, `"wait"` waits until it is there (again).
   *
   * @default {"error"}
   */
  rootRemoved?: "error" | "wait" | undefined;
  /** Ends the watching with the signal's own reason. */
  signal?: AbortSignal | undefined;
}

const CHECKS: Checks<DirectoryWatcherOptions> = {
  patterns: pathPattern,
  ignore: pathPattern,
  recursive: boolean,
  debounce: duration,
  settle: duration,
  initial: boolean,
  poll: (name, value) =>
    typeof value === "boolean" ? value : finiteDuration(name, value),
  rootRemoved: word("error", "wait"),
  signal: checkSignal,
};

/**
 * Watches a directory (or a single file), on the system's own notifications. Every event is checked
 * against what is there, so that each change comes once, by the name it has in the end: whoever
 * applies the events has, after them, what is there.
 *
 * Events come when the consumer asks for them. A slow consumer misses nothing but what was undone
 * meanwhile, and needs no memory for it.
 *
 * @example
 * ```ts
 * import { AsyncDirectoryWatcher } from "@specify/async-core";
 *
 * const root = await Deno.makeTempDir();
 * await using watcher = new AsyncDirectoryWatcher(root, { patterns: "*.txt" });
 * await watcher.ready;
 * await Deno.writeTextFile(`${root}/a.txt`, "content");
 * for await (const { kind, path } of watcher.watch()) {
 *   console.log(kind, path.endsWith("a.txt")); // create true
 *   break;
 * }
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class AsyncDirectoryWatcher implements AsyncDisposable {
  /** The path as it was given. */
  readonly path: string;
  readonly #plan: WatchPlan;
  readonly #sessions: Set<WatchSession> = new Set();
  /** Begun by `ready`, and not read yet. */
  #begun: WatchSession | undefined;
  #isStopped = false;

  /**
   * Begins nothing yet: `ready` and the reading of a stream do.
   *
   * @param directory A path or a file: URL; a single file will do.
   * @throws {RangeError | TypeError} When an option is wrong.
   */
  constructor(directory: string | URL, options: DirectoryWatcherOptions = {}) {
    this.path = toPath("directory", directory);
    checkOptions("AsyncDirectoryWatcher", options, CHECKS);
    const { poll = false } = options;
    this.#plan = {
      path: this.path,
      patterns: pathTest(options.patterns),
      ignore: pathTest(options.ignore),
      isRecursive: options.recursive ?? true,
      debounce: options.debounce ?? 50,
      settle: options.settle ?? 0,
      initial: options.initial ?? false,
      poll: poll === true ? DEFAULT_POLL : poll === false ? undefined : poll,
      rootRemoved: options.rootRemoved ?? "error",
      signal: options.signal,
    };
  }

  /**
   * Resolves when the watching has begun: what happens from then on is told by the next `watch()`.
   *
   * @throws {WatchRootError} When the directory is not there, unless it is to be waited for.
   */
  get ready(): Promise<void> {
    if (this.#isStopped) {
      return Promise.reject(this.#disposed("ready"));
    }
    const [session = this.#begin()] = this.#sessions;
    return session.ready;
  }

  /** Whether it polls: as asked, or because there is no native watcher. Known when `ready`. */
  get isPolling(): boolean {
    const [session] = this.#sessions;
    return session?.isPolling ?? this.#plan.poll !== undefined;
  }

  /**
   * The events, from `ready` on or, if that was not asked for, from the reading on. Each further
   * stream watches by itself.
   */
  watch(): AsyncStream<WatchEvent> {
    if (this.#isStopped) throw this.#disposed("watch()");
    return AsyncStream.fromBatches(() => {
      if (this.#isStopped) throw this.#disposed("watch()");
      const session = this.#begun ?? this.#begin();
      this.#begun = undefined;
      return session;
    });
  }

  /** Ends all streams, which is no error. Also while one is being waited for. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#sessions].map((session) => session.close()));
  }

  /** The same as `stop()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #begin(): WatchSession {
    const session = new WatchSession(this.#plan, (session) => {
      this.#sessions.delete(session);
      if (this.#begun === session) this.#begun = undefined;
    });
    this.#sessions.add(session);
    this.#begun = session;
    return session;
  }

  #disposed(what: string): DisposedError {
    return new DisposedError(
      `AsyncDirectoryWatcher.${what} for ${this.path}`,
      "Create a new watcher.",
    );
  }
}
