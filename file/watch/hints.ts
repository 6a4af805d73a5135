/**
 * What a watcher is to look at, and when: paths of which something was heard, directories that have
 * just come up, and files that are still being written.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import type { TreeChange, WatchNode } from "./tree.ts";

const MAX_HINTS = 10_000;
/** Hints this close to those that are due belong to the same happening (the two ends of a rename). */
const GRACE = 5;

// Invariant: hints are in the order in which they were first heard, so their times rise; there are
// never more than MAX_HINTS.
/** Paths that something was heard of: each once, until it is to be looked at. */
export class WatchHints {
  readonly #debounce: number;
  readonly #hints: Map<string, { kind: string; due: number }> = new Map();

  constructor(debounce: number) {
    this.#debounce = debounce;
  }

  /** When the first is to be looked at, on the `performance.now()` line. */
  get due(): number {
    for (const { due } of this.#hints.values()) return due;
    return Infinity;
  }

  /** Notes that `kind` was heard of `path`. False: there is no room for one more. */
  add(path: string, kind: string): boolean {
    const known = this.#hints.get(path);
    if (known !== undefined) {
      // A path that came up again may be another file: that says more than a write to it.
      if (kind !== "modify") known.kind = kind;
      return true;
    }
    if (this.#hints.size >= MAX_HINTS) return false;
    this.#hints.set(path, { kind, due: now() + this.#debounce });
    return true;
  }

  /** What is due at `time`, by path. */
  take(time: number): Map<string, string> {
    const taken = new Map<string, string>();
    for (const [path, { kind, due }] of this.#hints) {
      if (due > time + Math.min(GRACE, this.#debounce)) break;
      taken.set(path, kind);
      this.#hints.delete(path);
    }
    return taken;
  }

  clear(): void {
    this.#hints.clear();
  }
}

/** When they are looked into, in milliseconds after the look before. */
const DELAYS = [50, 500];

interface Look {
  due: number;
  delays: readonly number[];
  nodes: WatchNode[];
}

/**
 * The looks that are still to come at directories that have just come up: the system began to watch
 * them later, so they are looked into again after a while, and once more.
 */
export class FreshDirectories {
  #looks: Look[] = [];

  /** When the first look is due, on the `performance.now()` line. */
  get due(): number {
    let due = Infinity;
    for (const look of this.#looks) due = Math.min(due, look.due);
    return due;
  }

  /** Notes directories that have come up. */
  add(nodes: WatchNode[], delays: readonly number[] = DELAYS): void {
    const [delay, ...later] = delays;
    if (delay === undefined || nodes.length === 0) return;
    this.#looks.push({ due: now() + delay, delays: later, nodes });
  }

  /** What is to be looked into at `time`. */
  take(time: number): WatchNode[] {
    const due = this.#looks.filter((look) => look.due <= time);
    this.#looks = this.#looks.filter((look) => look.due > time);
    for (const { nodes, delays } of due) this.add(nodes, delays);
    return due.flatMap(({ nodes }) => nodes);
  }

  clear(): void {
    this.#looks = [];
  }
}

interface Held {
  kind: "create" | "modify";
  node: WatchNode;
  size: number;
  modified: number;
  /** When it has been left alone for long enough, on the `performance.now()` line. */
  due: number;
}

// Invariant: a path is held exactly once, with what the consumer is to be told of it and when it is to
// be looked at next.
/**
 * Holds changes of files back until they settle: the create or modify of a file that is still being
 * written waits until it has been left alone for a while.
 */
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
