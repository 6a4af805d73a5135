/**
 * The order in which overlapping atomic writes of one path take effect: that of their calls, so that the
 * last one stays.
 *
 * @module
 */
import { resolve } from "@std/path/resolve";

// Commits to one path happen in the order of their tickets. Invariant: an entry is here exactly
// while somebody holds a ticket for its path; `renaming` settles when the last rename begun has
// ended, and `committed` is the highest ticket whose rename succeeded.
interface CommitOrder {
  holders: number;
  last: number;
  committed: number;
  renaming: Promise<void> | undefined;
}

const orders = new Map<string, CommitOrder>();
/** An absolute path without ".", ".." or doubled slashes: its own key, without the cost of resolve. */
const IS_NORMAL = /^(?:\/(?!\.{0,2}(?:\/|$))[^/\\]+)+$/;

/** A place in the order of those who replace one path. Every ticket is used or returned. */
export class CommitTicket {
  readonly #key: string;
  readonly #order: CommitOrder;
  readonly #number: number;

  /** Takes the next place; `path` is the one behind symbolic links. */
  constructor(path: string) {
    this.#key = IS_NORMAL.test(path) ? path : resolve(path);
    let order = orders.get(this.#key);
    if (order === undefined) {
      order = { holders: 0, last: 0, committed: 0, renaming: undefined };
      orders.set(this.#key, order);
    }
    this.#order = order;
    this.#order.holders++;
    this.#number = ++order.last;
  }

  /**
   * Runs `rename` alone. When a later ticket has been committed already, its content stands, as if
   * ours had come and been replaced at once: `rename` is not called and the result is false.
   */
  async commit(rename: () => Promise<void>): Promise<boolean> {
    const order = this.#order;
    while (order.renaming !== undefined) await order.renaming;
    if (order.committed > this.#number) return false;
    const work = rename();
    const settled = work.then(
      () => {
        order.committed = this.#number;
        order.renaming = undefined;
      },
      () => {
        order.renaming = undefined;
      },
    );
    order.renaming = settled;
    await work;
    return true;
  }

  /** Leaves the order; to be called once, whatever has happened. */
  leave(): void {
    if (--this.#order.holders === 0) orders.delete(this.#key);
  }
}
