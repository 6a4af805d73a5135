/**
 * One source, several readers of everything: tee, broadcast.
 *
 * @module
 */
import { type Checks, integer, takeOptions } from "../../_internal/validate.ts";
import type { PullableIterator } from "../engine/types.ts";
import type { Plan } from "../engine/plan.ts";
import { StreamOverflowError } from "../errors.ts";
import { bufferChecks, type StreamOverflow } from "../options.ts";
import { type Branch, Shared } from "./shared.ts";

/** What becomes of an element for which the buffer of one reader has no room. */
export type SharedOverflow = "wait" | StreamOverflow;

/** How several readers share one source. */
export interface ShareOptions {
  /** How many elements each reader may be behind the foremost one. @default {16} */
  buffer?: number | undefined;
  /**
   * What a reader that is so far behind does to the others: `"wait"` makes them wait for it,
   * `"drop-oldest"` and `"drop-newest"` drop elements for it, `"error"` fails it with a
   * StreamOverflowError. @default {"wait"}
   */
  overflow?: SharedOverflow | undefined;
}

const CHECKS: Checks<ShareOptions> = bufferChecks("wait");

const DEFAULTS = { buffer: 16, overflow: "wait" } as const;

/** Every branch gets every element. */
class Tee<T> extends Shared<T> {
  protected override get isNeeded(): boolean {
    return this.branches.size > 0;
  }

  protected override isBlocking(branch: Branch<never>): boolean {
    return this.overflow === "wait" && branch.relay.size >= this.buffer;
  }

  override arrived(value: T): void {
    for (const branch of this.branches as unknown as Set<Branch<T>>) {
      if (branch.give(value)) continue;
      branch.gone();
      this.branches.delete(branch as unknown as Branch<never>);
      branch.relay.fail(
        new StreamOverflowError("A reader of a shared stream", this.buffer),
      );
    }
  }
}

/** See AsyncStream.tee: so many functions that each open one branch. */
export function tee<T>(
  plan: Plan<T>,
  count: number,
  options: ShareOptions,
): (() => PullableIterator<T>)[] {
  integer("count", count, 1);
  const shared = new Tee(
    plan,
    takeOptions("tee()", options, CHECKS, DEFAULTS),
  );
  return Array.from({ length: count }, () => {
    const branch = shared.branch<T>();
    return () => branch.open();
  });
}

/** See AsyncStream.broadcast: a function that opens a branch of what is being read now. */
export function broadcast<T>(
  plan: Plan<T>,
  options: ShareOptions,
): () => PullableIterator<T> {
  const taken = takeOptions("broadcast()", options, CHECKS, DEFAULTS);
  let shared: Tee<T> | undefined;
  return () => {
    if (shared === undefined || shared.isOver) shared = new Tee(plan, taken);
    return shared.branch<T>().open();
  };
}
