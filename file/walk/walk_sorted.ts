/**
 * Walking in a fixed order: depth first, names compared by their code units. The directories that come
 * next are read ahead.
 *
 * Invariant: the stack is the way from the root to where the walk is; each level knows what is in its
 * directory, sorted, and how far it has got. A node's listing is asked for once, by the read-ahead
 * or when its turn comes.
 *
 * @module
 */
import { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import type { BatchSource } from "../../streams/engine/engine.ts";
import {
  type Directory,
  list,
  type Listing,
  listQuickly,
  taskCanceller,
  WalkErrors,
} from "./listing.ts";
import type { WalkEntry, WalkPlan } from "./options.ts";

/** A directory to be entered; its reading never rejects. */
interface Node {
  directory: Directory;
  listing: Promise<Listing | { error: unknown }> | undefined;
}

interface Item {
  name: string;
  /** To be yielded. */
  entry: WalkEntry | undefined;
  /** To be entered. */
  node: Node | undefined;
}

interface Level {
  items: Item[];
  index: number;
  nodes: Node[];
  /** How many of them have been begun. */
  begun: number;
}

const BATCH = 4_096;
/** Longest time of synchronous reading at a stretch, in milliseconds. */
const SLICE = 8;

/** The source of a sorted walk. */
export class SortedWalkSource implements BatchSource<WalkEntry> {
  readonly #plan: WalkPlan;
  readonly #errors: WalkErrors;
  /** The device whose small directories are read synchronously. */
  readonly #device: number | undefined;
  #sliceStart = now();
  readonly #stack: Level[] = [];
  #due: Node | undefined;
  /** Being read, or read and not entered yet. */
  #ahead = 0;
  #active = new Set<Promise<unknown>>();
  readonly #tasks: AbortController | undefined;
  readonly #subscription: AbortSubscription | undefined;

  constructor(
    root: Directory,
    plan: WalkPlan,
    device: number | undefined,
  ) {
    this.#plan = plan;
    this.#errors = new WalkErrors(plan);
    this.#device = device;
    this.#due = { directory: root, listing: undefined };
    const tasks = this.#tasks = taskCanceller(plan);
    this.#subscription = tasks && plan.signal &&
      onAbort(plan.signal, (reason) => tasks.abort(reason));
  }

  async pull(): Promise<readonly WalkEntry[] | undefined> {
    const batch: WalkEntry[] = [];
    try {
      for (;;) {
        this.#plan.signal?.throwIfAborted();
        const node = this.#due;
        if (node !== undefined) {
          // What is ready goes out before anything is waited for.
          if (batch.length > 0) return batch;
          this.#due = undefined;
          await this.#enter(node);
        }
        const level = this.#stack.at(-1);
        if (level === undefined) {
          if (batch.length > 0) return batch;
          this.#subscription?.unsubscribe();
          this.#errors.end();
          return undefined;
        }
        this.#advance(level, batch);
        if (batch.length >= BATCH) return batch;
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#stack.length = 0;
    this.#due = undefined;
    this.#subscription?.unsubscribe();
    this.#tasks?.abort();
    await Promise.all(this.#active);
  }

  /** Takes items until a directory is to be entered, the level ends or the batch is full. */
  #advance(level: Level, batch: WalkEntry[]): void {
    while (batch.length < BATCH) {
      const item = level.items[level.index++];
      if (item === undefined) {
        this.#stack.pop();
        return;
      }
      if (item.entry !== undefined) batch.push(item.entry);
      if (item.node !== undefined) {
        this.#due = item.node;
        return;
      }
    }
  }

  async #enter(node: Node): Promise<void> {
    if (this.#device !== undefined && node.listing === undefined) {
      if (now() - this.#sliceStart > SLICE) {
        await macrotask();
        this.#sliceStart = now();
      }
      const listing = this.#listQuickly(node, this.#device);
      if (listing !== undefined) return await this.#take(listing, node);
    }
    if (node.listing === undefined) this.#begin(node);
    // Begun above at the latest.
    const listing =
      await (node.listing as Promise<Listing | { error: unknown }>);
    this.#ahead--;
    await this.#take(listing, node);
  }

  #listQuickly(
    { directory }: Node,
    device: number,
  ): Listing | { error: unknown } | undefined {
    try {
      return listQuickly(this.#plan, directory, device);
    } catch (error) {
      return { error };
    }
  }

  async #take(
    listing: Listing | { error: unknown },
    node: Node,
  ): Promise<void> {
    if ("error" in listing) {
      await this.#errors.add(listing.error, node.directory);
      return;
    }
    for (const { error, directory } of listing.failed) {
      await this.#errors.add(error, directory);
    }
    this.#push(listing);
  }

  #push(listing: Listing): void {
    const items = new Map<WalkEntry, Item>();
    for (const entry of listing.found) {
      items.set(entry, { name: entry.name, entry, node: undefined });
    }
    for (const { entry, directory } of listing.below) {
      const below: Node = { directory, listing: undefined };
      const item = items.get(entry);
      if (item !== undefined) item.node = below;
      else {
        items.set(entry, { name: entry.name, entry: undefined, node: below });
      }
    }
    const sorted = [...items.values()].sort((a, b) => a.name < b.name ? -1 : 1);
    this.#stack.push({
      items: sorted,
      index: 0,
      nodes: sorted.flatMap(({ node }) => node ?? []),
      begun: 0,
    });
    this.#readAhead();
  }

  /** Begins the next directories, nearest first. */
  #readAhead(): void {
    if (this.#device !== undefined) return;
    for (let depth = this.#stack.length - 1; depth >= 0; depth--) {
      // Within the array.
      const level = this.#stack[depth] as Level;
      while (level.begun < level.nodes.length) {
        if (this.#ahead >= this.#plan.concurrency) return;
        const node = level.nodes[level.begun++] as Node;
        if (node.listing === undefined) this.#begin(node);
      }
    }
  }

  #begin(node: Node): void {
    this.#ahead++;
    const listing = node.listing = list(
      this.#plan,
      node.directory,
      this.#tasks?.signal,
    ).catch((error) => ({ error }));
    this.#active.add(listing);
    listing.then(() => this.#active.delete(listing));
  }
}
