/**
 * Asking the user whether a resource that was used before is still good.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import type { PoolEntry } from "./shelf.ts";

/** Who is told. */
export interface ValidatingPool<R> {
  /** The counts are different. */
  changed(): void;
  /** The answer; nobody holds the resource. */
  checked(entry: PoolEntry<R>, isGood: boolean): void;
  /** `validate` threw or rejected, which counts as no. Told after `checked`. */
  checkFailed(error: unknown): void;
}

/** The calls of `validate`. */
export class Validation<R> {
  // Invariant: #count is the number of calls whose answer has not been told.
  readonly #pool: ValidatingPool<R>;
  #count = 0;

  constructor(pool: ValidatingPool<R>) {
    this.#pool = pool;
  }

  /** How many are under way. */
  get count(): number {
    return this.#count;
  }

  /** Asks. */
  begin(
    entry: PoolEntry<R>,
    validate: (resource: R) => boolean | PromiseLike<boolean>,
  ): void {
    this.#count++;
    this.#pool.changed();
    let isGood: boolean | PromiseLike<boolean>;
    try {
      isGood = validate(entry.resource);
      if (isThenable(isGood)) {
        // Promise.resolve: a foreign thenable may settle twice or throw.
        Promise.resolve(isGood).then(
          (isGood) => this.#end(entry, isGood === true),
          (error) => this.#fail(entry, error),
        );
        return;
      }
    } catch (error) {
      this.#fail(entry, error);
      return;
    }
    this.#end(entry, isGood === true);
  }

  #fail(entry: PoolEntry<R>, error: unknown): void {
    this.#end(entry, false);
    this.#pool.checkFailed(error);
  }

  #end(entry: PoolEntry<R>, isGood: boolean): void {
    this.#count--;
    this.#pool.checked(entry, isGood);
  }
}
