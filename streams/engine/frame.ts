/**
 * A frame: one source that a run is reading, with where its elements go.
 *
 * @module
 */
import {
  type AnyIterator,
  closesWhilePending,
  type Wait,
} from "../../_internal/iterators.ts";
import { isThenable } from "../../_internal/thenable.ts";
import { ARRAY, BATCH, type BatchSource, type Push } from "./types.ts";
import { closeNow } from "../../_internal/upstream.ts";

/** A source that is being read. One class for all kinds keeps the loops monomorphic. */
export class Frame {
  index = 0;
  /** Whether its elements are the stream's: nothing comes between it and the consumer. */
  isDirect = false;
  below: Frame | undefined = undefined;

  /** `items` are an array's elements, or the present batch. */
  constructor(
    readonly kind: number,
    readonly level: number,
    readonly push: Push<unknown>,
    readonly source: unknown,
    public items: readonly unknown[],
  ) {}

  get closesWhilePending(): boolean {
    return this.kind === BATCH
      ? (this.source as BatchSource<unknown>).closesWhilePending === true
      : (this.source as AnyIterator<unknown>)[closesWhilePending] === true;
  }

  close(reason: unknown): Wait {
    if (this.kind === ARRAY) return undefined;
    const closed = this.kind === BATCH
      ? (this.source as BatchSource<unknown>).close?.(reason)
      : (this.source as AnyIterator<unknown>).return?.(reason);
    return isThenable(closed) ? closed : undefined;
  }
}

/** For frames that have none (yet). */
export const NO_ITEMS: readonly unknown[] = [];

/** Closes a frame for which nobody waits any more. */
export function closeQuietly(frame: Frame, reason: unknown): void {
  closeNow(() => frame.close(reason), reason);
}
