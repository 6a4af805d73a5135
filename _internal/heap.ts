/**
 * What comes first, of many that come and go: time limits, and keys by their age.
 *
 * @module
 */

/** A binary heap: adding and taking the first are O(log n). */
export class Heap<T> {
  // Invariant: items[i] is not after items[2i + 1] and items[2i + 2].
  readonly #items: T[] = [];
  readonly #isAfter: (a: T, b: T) => boolean;

  /** `isAfter` is the order, which must not change while an item is here. */
  constructor(isAfter: (a: T, b: T) => boolean) {
    this.#isAfter = isAfter;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let place = items.push(item) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      // In range: above < place.
      const parent = items[above]!;
      if (!this.#isAfter(parent, item)) break;
      items[place] = parent;
      place = above;
    }
    items[place] = item;
  }

  /** Drops the first. */
  shift(): void {
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(0, last);
  }

  /** Drops those for which `stays` is false, in O(n). */
  keep(stays: (item: T) => boolean): void {
    const items = this.#items;
    let length = 0;
    for (const item of items) if (stays(item)) items[length++] = item;
    items.length = length;
    // Floyd's heap construction: each parent sinks to its place, the last one first.
    for (let place = (length >> 1) - 1; place >= 0; place--) {
      // Within the heap.
      this.#sink(place, items[place]!);
    }
  }

  clear(): void {
    this.#items.length = 0;
  }

  #sink(place: number, item: T): void {
    const items = this.#items;
    for (;;) {
      let below = 2 * place + 1;
      let child = items[below];
      if (child === undefined) break;
      const right = items[below + 1];
      if (right !== undefined && this.#isAfter(child, right)) {
        child = right;
        below++;
      }
      if (!this.#isAfter(item, child)) break;
      items[place] = child;
      place = below;
    }
    items[place] = item;
  }
}
