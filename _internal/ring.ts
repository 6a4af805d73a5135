/**
 * A first-in first-out queue in one array that is used as a circle. Both ends cost O(1) and
 * nothing is moved, unlike `array.shift()`. It doubles when full and shrinks when nearly empty.
 *
 * @module
 */

const SMALLEST = 16;

/** First-in first-out queue. `undefined` is an ordinary item: look at `size`, not at the value. */
export class Ring<T> {
  // Invariant: the items are slots[head], slots[head + 1] … (size of them, modulo the length),
  // every other slot is undefined (so that nothing taken out is kept alive), and the length is
  // a power of two, which makes the modulo one `&`.
  #slots: (T | undefined)[] = new Array(SMALLEST).fill(undefined);
  #head = 0;
  #size = 0;

  /** How many items wait. */
  get size(): number {
    return this.#size;
  }

  /** Adds at the end. */
  push(item: T): void {
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size++;
  }

  /** Puts back in front. */
  unshift(item: T): void {
    if (this.#size === this.#slots.length) this.#resize(this.#size * 2);
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#size++;
  }

  /** Takes the first item; `undefined` when empty. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size--;
    if (
      this.#slots.length > SMALLEST && this.#size < this.#slots.length >> 2
    ) {
      this.#resize(this.#slots.length >> 1);
    }
    return item;
  }

  /** The item at `index` places from the front. */
  at(index: number): T | undefined {
    return index < this.#size
      ? this.#slots[(this.#head + index) & (this.#slots.length - 1)]
      : undefined;
  }

  /** Drops everything. */
  clear(): void {
    this.#slots = new Array(SMALLEST).fill(undefined);
    this.#head = 0;
    this.#size = 0;
  }

  #resize(length: number): void {
    const slots = new Array<T | undefined>(length).fill(undefined);
    for (let index = 0; index < this.#size; index++) {
      slots[index] =
        this.#slots[(this.#head + index) & (this.#slots.length - 1)];
    }
    this.#slots = slots;
    this.#head = 0;
  }
}
