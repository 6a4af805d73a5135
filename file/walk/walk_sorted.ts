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
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { macrotask } from "../../_internal/macrotask.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import type { Directory, Listing, WalkReader } from "./listing.ts";
import type { WalkEntry } from "./options.ts";

/** A directory to be entered, and its reading, once that was begun. */
interface Node {
  directory: Directory;
  listing: Promise<Listing> | undefined;
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
  readonly #reader: WalkReader;
  #sliceStart = now();
  readonly #stack: Level[] = [];
  #due: Node | undefined;
  /** Being read, or read and not entered yet. */
  #ahead = 0;
  readonly #active = new Set<Promise<Listing>>();
  readonly #subscription: AbortSubscription | undefined;

  constructor(root: Directory, reader: WalkReader) {
    this.#reader = reader;
    this.#due = { directory: root, listing: undefined };
    const { tasks, plan } = reader;
    this.#subscription = tasks &&
      heedAbort(plan.signal, (reason) => tasks.abort(reason));
  }

  async pull(): Promise<readonly WalkEntry[] | undefined> {
    const batch: WalkEntry[] = [];
    try {
      for (;;) {
        this.#reader.plan.signal?.throwIfAborted();
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
          this.#reader.end();
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
    this.#reader.tasks?.abort();
    await Promise.allSettled(this.#active);
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
    let listing: Listing;
    try {
      listing = await this.#list(node);
    } catch (error) {
      await this.#reader.failed(error, node.directory);
      return;
    }
    for (const { error, directory } of listing.failed) {
      await this.#reader.failed(error, directory);
    }
    this.#push(listing);
  }

  async #list(node: Node): Promise<Listing> {
    if (this.#reader.device !== undefined && node.listing === undefined) {
      if (now() - this.#sliceStart > SLICE) {
        await macrotask();
        this.#sliceStart = now();
      }
      const listing = this.#reader.listQuickly(node.directory);
      if (listing !== undefined) return listing;
    }
    try {
      return await (node.listing ?? this.#begin(node));
    } finally {
      this.#ahead--;
    }
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
    if (this.#reader.device !== undefined) return;
    for (let depth = this.#stack.length - 1; depth >= 0; depth--) {
      // Within the array.
      const level = this.#stack[depth] as Level;
      while (level.begun < level.nodes.length) {
        if (this.#ahead >= this.#reader.plan.concurrency) return;
        const node = level.nodes[level.begun++] as Node;
        if (node.listing === undefined) this.#begin(node);
      }
    }
  }

  #begin(node: Node): Promise<Listing> {
    this.#ahead++;
    const listing = node.listing = this.#reader.list(node.directory);
    const settled = () => void this.#active.delete(listing);
    this.#active.add(listing);
    // A failure is told when its turn comes, and not at all when the walk has ended by then.
    listing.then(settled, settled);
    return listing;
  }
}
