/**
 * Files that are still being written: their create or modify waits until they have been left alone for a
 * while.
 *
 * Invariant: a path is held exactly once, with what the consumer is to be told of it and when it is to
 * be looked at next.
 *
 * @module
 */
import type { TreeChange, WatchNode } from "./tree.ts";

interface Held {
  kind: "create" | "modify";
  node: WatchNode;
  size: number;
  modified: number;
  /** When it has been left alone for long enough, on the `performance.now()` line. */
  due: number;
}

/** Holds changes of files back until they settle. */
export class Settling {
  readonly #time: number;
  readonly #held: Map<string, Held> = new Map();

  constructor(time: number) {
    this.#time = time;
  }

  /** When the next file may have settled. */
  get due(): number {
    let due = Infinity;
    for (const held of this.#held.values()) due = Math.min(due, held.due);
    return due;
  }

  /** Paths that are due, for a look at them. */
  duePaths(time: number): string[] {
    return [...this.#held].filter(([, { due }]) => due <= time).map(([path]) =>
      path
    );
  }

  /**
   * What is to be told now: `changes` without what must settle, and what has settled by `time`, which
   * must have been looked at just before.
   */
  pass(changes: readonly TreeChange[], time: number): TreeChange[] {
    const told: TreeChange[] = [];
    for (const change of changes) this.#one(change, time, told);
    for (const [path, held] of this.#held) {
      if (held.due > time) continue;
      const { node, kind } = held;
      if (node.size === held.size && node.modified === held.modified) {
        this.#held.delete(path);
        told.push({ kind, path, node });
      } else this.#hold(path, kind, node, time);
    }
    return told;
  }

  #one(change: TreeChange, time: number, told: TreeChange[]): void {
    const { kind, path, node, from } = change;
    if (kind === "remove") {
      const held = this.#held.get(path);
      this.#held.delete(path);
      // Nobody has heard of it.
      if (held?.kind !== "create") told.push(change);
    } else if (kind === "rename" && from !== undefined) {
      const held = this.#held.get(from);
      this.#held.delete(from);
      if (held?.kind !== "create") told.push(change);
      if (held !== undefined) this.#hold(path, held.kind, node, time);
    } else if (node.isDirectory) told.push(change);
    else {
      const held = this.#held.get(path);
      this.#hold(
        path,
        held?.kind ?? (kind === "create" ? "create" : "modify"),
        node,
        time,
      );
    }
  }

  #hold(
    path: string,
    kind: "create" | "modify",
    node: WatchNode,
    time: number,
  ): void {
    const { size, modified } = node;
    this.#held.set(path, {
      kind,
      node,
      size,
      modified,
      due: time + this.#time,
    });
  }
}
