/**
 * Directories that have just come up: the system began to watch them later, so they are looked into
 * again after a while, and once more.
 *
 * @module
 */
import { now } from "../../_internal/clock.ts";
import type { WatchNode } from "./tree.ts";

/** When they are looked into, in milliseconds after the look before. */
const DELAYS = [50, 500];

interface Look {
  due: number;
  delays: readonly number[];
  nodes: WatchNode[];
}

/** The looks that are still to come. */
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
