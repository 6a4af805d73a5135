/**
 * Walking a directory tree: several directories are read at once, entries come out in batches.
 *
 * Invariant of a walk: a directory is pending, being read (`#active` of them), or done; entries that
 * were found and not yet handed out are in `#ready`. No directory is begun while `#ready` is above
 * its bound, so memory stays within that bound, the content of the directories being read, and the
 * paths of the directories that wait (which depth first order keeps few).
 *
 * @module
 */
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { report } from "../../_internal/errors.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { toPath } from "../paths.ts";
import { now } from "../../_internal/clock.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import { AsyncStream } from "../../streams/async_stream.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import {
  type Directory,
  isPlain,
  type Listing,
  localDevice,
  rootDirectory,
  WalkReader,
} from "./listing.ts";
import { type WalkEntry, type WalkOptions, walkPlan } from "./options.ts";
import { traced } from "../file_telemetry.ts";
import { SortedWalkSource } from "./walk_sorted.ts";

/** Entries found ahead of the consumer before no further directory is begun. */
const MAX_READY = 4_096;
/** Longest time of synchronous reading at a stretch, in milliseconds. */
const SLICE = 8;

/**
 * Walks the tree under `root` and yields what it finds, as fast as the consumer takes it, in no
 * particular order unless `sort` is set. Leaving the loop early ends the walk.
 *
 * @param root A path or a file: URL of a directory.
 * @throws {Deno.errors.NotFound | Deno.errors.NotADirectory} When the root is no directory.
 * @throws {RangeError | TypeError} When an option is wrong.
 *
 * @example
 * ```ts
 * import { walkAsync } from "@specify/async-core";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/src`);
 * await Deno.writeTextFile(`${root}/src/main.ts`, "");
 * await Deno.writeTextFile(`${root}/notes.txt`, "");
 * for await (const { name } of walkAsync(root, { pattern: "*.ts" })) console.log(name); // main.ts
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function walkAsync(
  root: string | URL,
  options: WalkOptions = {},
): AsyncStream<WalkEntry> {
  const path = toPath("root", root);
  const plan = walkPlan(options);
  return AsyncStream.fromBatches(() => {
    const directory = rootDirectory(path);
    const device = plan.runner === undefined && isPlain(plan)
      ? localDevice(path)
      : undefined;
    const reader = new WalkReader(plan, device);
    const source = options.sort
      ? new SortedWalkSource(directory, reader)
      : new WalkSource(directory, reader);
    return traced(source, "file.walk", path, plan.signal, (count) => ({
      "async_core.walk.entries": count,
    }));
  });
}

class WalkSource implements BatchSource<WalkEntry> {
  readonly #reader: WalkReader;
  readonly #pending: Directory[];
  /** Since when others have not had their turn, on the `performance.now()` line. */
  #sliceStart: number | undefined;
  #active = 0;
  #ready: WalkEntry[] = [];
  #failure: { error: unknown } | undefined;
  #isClosed = false;
  /** The pull that waits for entries. */
  #waiting:
    | {
      resolve: (batch: readonly WalkEntry[] | undefined) => void;
      reject: (error: unknown) => void;
    }
    | undefined;
  #idle: (() => void) | undefined;
  readonly #subscription: AbortSubscription | undefined;

  constructor(root: Directory, reader: WalkReader) {
    this.#reader = reader;
    this.#pending = [root];
    this.#subscription = heedAbort(
      reader.plan.signal,
      (reason) => this.#fail(reason),
    );
  }

  pull():
    | readonly WalkEntry[]
    | undefined
    | Promise<readonly WalkEntry[] | undefined> {
    if (this.#reader.device !== undefined && this.#failure === undefined) {
      const pause = this.#readQuickly();
      if (pause !== undefined) return pause;
    }
    if (this.#ready.length > 0) return this.#take();
    this.#begin();
    if (this.#isDone()) return this.#finish();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /**
   * Reads small local directories synchronously, for SLICE milliseconds at most before others get their
   * turn.
   */
  #readQuickly(): Promise<readonly WalkEntry[] | undefined> | undefined {
    this.#sliceStart ??= now();
    const { concurrency } = this.#reader.plan;
    while (this.#ready.length < MAX_READY && this.#active < concurrency) {
      const directory = this.#pending.pop();
      if (directory === undefined) return undefined;
      try {
        const listing = this.#reader.listQuickly(directory);
        if (listing !== undefined) this.#add(listing);
        else {
          this.#active++;
          void this.#visit(directory);
          // The others wait until it is there: large directories are few.
          return undefined;
        }
      } catch (error) {
        this.#failed(error, directory);
        if (this.#failure !== undefined) return undefined;
      }
      if (now() - this.#sliceStart > SLICE) {
        return macrotask().then(() => {
          this.#sliceStart = undefined;
          return this.pull();
        });
      }
    }
    return undefined;
  }

  #add({ found, below, failed }: Listing): void {
    if (this.#ready.length === 0) this.#ready = found;
    else for (const entry of found) this.#ready.push(entry);
    for (const { directory } of below) this.#pending.push(directory);
    for (const { error, directory } of failed) this.#failed(error, directory);
  }

  /** Begins nothing more and resolves when what is being read has been read. */
  close(): Promise<void> {
    this.#end();
    this.#subscription?.unsubscribe();
    this.#reader.tasks?.abort();
    if (this.#active === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  /** After a failure, what is being read is waited for. After an abort it is not: it may hang. */
  #isDone(): boolean {
    return this.#active === 0 && this.#pending.length === 0 ||
      this.#failure !== undefined && this.#reader.plan.signal?.aborted === true;
  }

  #take(): WalkEntry[] {
    const batch = this.#ready;
    this.#ready = [];
    this.#begin();
    return batch;
  }

  #finish(): undefined {
    this.#end();
    this.#subscription?.unsubscribe();
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#reader.end();
  }

  #end(): void {
    this.#isClosed = true;
    this.#pending.length = 0;
    this.#ready = [];
  }

  /** Starts reading as much as the bounds allow. */
  #begin(): void {
    const { device, plan } = this.#reader;
    if (device !== undefined) return;
    while (
      this.#active < plan.concurrency && this.#pending.length > 0 &&
      this.#ready.length < MAX_READY && !this.#isClosed
    ) {
      this.#active++;
      // Not empty; and the last found goes first, which keeps the list short.
      void this.#visit(this.#pending.pop() as Directory);
    }
  }

  async #visit(directory: Directory): Promise<void> {
    try {
      const listing = await this.#reader.list(directory);
      if (!this.#isClosed) this.#add(listing);
    } catch (error) {
      this.#failed(error, directory);
    }
    this.#settled();
  }

  /** A directory has been read, or an error told. */
  #settled(): void {
    this.#active--;
    if (this.#active === 0) this.#idle?.();
    this.#begin();
    this.#answer();
  }

  /** Gives the pull that waits what there is. */
  #answer(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    if (this.#ready.length > 0) {
      this.#waiting = undefined;
      waiting.resolve(this.#take());
    } else if (this.#reader.device !== undefined && this.#pending.length > 0) {
      // Nothing was found but directories: the next pull reads them.
      this.#waiting = undefined;
      waiting.resolve([]);
    } else if (this.#isDone()) {
      this.#waiting = undefined;
      try {
        waiting.resolve(this.#finish());
      } catch (error) {
        waiting.reject(error);
      }
    }
  }

  #failed(error: unknown, directory: Directory): void {
    if (this.#isClosed) return;
    try {
      const told = this.#reader.failed(error, directory);
      if (isThenable(told)) {
        this.#active++;
        void this.#untilTold(told);
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** The walk does not end before its `onError` has. */
  async #untilTold(told: PromiseLike<unknown>): Promise<void> {
    try {
      await told;
    } catch (thrown) {
      if (this.#isClosed) {
        report("The onError of a walk failed after the walk had ended", thrown);
      } else this.#fail(thrown);
    }
    this.#settled();
  }

  /** The walk ends: the pull that waits, or the next one, rejects. */
  #fail(error: unknown): void {
    if (!this.#isClosed) {
      this.#failure = { error };
      this.#end();
      this.#reader.tasks?.abort(error);
    }
    this.#answer();
  }
}
