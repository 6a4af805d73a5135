/**
 * A list in which any item can be taken out at once: jobs that wait or run, calls in line, who
 * listens to a signal.
 *
 * @module
 */

/** What can stand in a list, in one at a time: the links are its own. */
export interface Linked<T> {
  previous: T | undefined;
  next: T | undefined;
}

/** A doubly linked list: every operation is O(1), and nothing is allocated for an item. */
export class LinkedList<T extends Linked<T>> {
  // Invariant: first.previous and last.next are undefined, and both ends are undefined together.
  first: T | undefined = undefined;
  last: T | undefined = undefined;

  /** Adds at the end. */
  push(item: T): void {
    const { last } = this;
    item.previous = last;
    if (last === undefined) this.first = item;
    else last.next = item;
    this.last = item;
  }

  /** Adds after `before`, which stands in this list; `undefined`: at the front. */
  insertAfter(item: T, before: T | undefined): void {
    const after = before === undefined ? this.first : before.next;
    item.previous = before;
    item.next = after;
    if (before === undefined) this.first = item;
    else before.next = item;
    if (after === undefined) this.last = item;
    else after.previous = item;
  }

  /** Takes out an item that stands in this list. */
  remove(item: T): void {
    const { previous, next } = item;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next === undefined) this.last = previous;
    else next.previous = previous;
    item.next = item.previous = undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let item = this.first; item !== undefined; item = item.next) {
      yield item;
    }
  }
}
