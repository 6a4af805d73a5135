/**
 * The longest waiting of a level's groups: with aging it may have risen above the one whose turn
 * it is. Used only by schedulers with limits by key and aging.
 *
 * @module
 */
import type { KeyGroup } from "./keyed_queue.ts";

/** Fewer entries than this are not worth a sweep. */
const SWEEP_FROM = 32;

interface Entry {
  readonly sequence: number;
  readonly group: KeyGroup;
}

/** A binary heap of groups by the age of their first job. */
export class OldestGroups {
  // Invariant: entry i is not younger than entries 2i + 1 and 2i + 2. An entry is true while its
  // group is in turn and its first job has the entry's sequence; every group in turn has a true
  // entry, and only one. Those that are not true any more are dropped when they come to the top
  // or have become the majority.
  #heap: Entry[] = [];

  /** The first job of `group`, which is in turn, may have changed. */
  note(group: KeyGroup, groupsInTurn: number): void {
    const sequence = group.jobs.first?.sequence;
    if (sequence === undefined || group.noted === sequence) return;
    group.noted = sequence;
    if (this.#heap.length >= SWEEP_FROM + 2 * groupsInTurn) this.#sweep();
    this.#push({ sequence, group });
  }

  /** The group in turn whose first job is the oldest. */
  oldest(): KeyGroup | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (isTrue(top)) return top.group;
      this.#dropTop(top);
    }
    return undefined;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let place = heap.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      // In range: above < place.
      const parent = heap[above]!;
      if (parent.sequence <= entry.sequence) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = entry;
  }

  #dropTop(top: Entry): void {
    forget(top);
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      const left = heap[below];
      if (left === undefined) break;
      const right = heap[below + 1];
      let older = left;
      if (right !== undefined && right.sequence < left.sequence) {
        older = right;
        below++;
      }
      if (older.sequence >= last.sequence) break;
      heap[place] = older;
      place = below;
    }
    heap[place] = last;
  }

  #sweep(): void {
    const kept = this.#heap.filter((entry) => {
      if (isTrue(entry)) return true;
      forget(entry);
      return false;
    });
    this.#heap = [];
    for (const entry of kept) this.#push(entry);
  }
}

function isTrue({ group, sequence }: Entry): boolean {
  return group.inTurn && group.jobs.first?.sequence === sequence;
}

/** The entry goes: should it become true again, it is noted anew. */
function forget({ group, sequence }: Entry): void {
  if (group.noted === sequence) group.noted = 0;
}
