/**
 * What becomes of directories that a walk cannot read.
 *
 * @module
 */
import { type Directory, hasVanished, type WalkPlan } from "./walk_plan.ts";

/** What becomes of directories that cannot be read. */
export class WalkErrors {
  readonly #plan: WalkPlan;
  #collected: unknown[] | undefined;

  constructor(plan: WalkPlan) {
    this.#plan = plan;
  }

  /** Throws when the walk is to end with the error; so does what it returns, when that is a promise. */
  add(error: unknown, directory: Directory): unknown {
    const { onError, signal } = this.#plan;
    // The runner cancelled the reading: no matter of this directory.
    if (signal?.aborted) throw signal.reason;
    if (hasVanished(error, directory)) return undefined;
    if (directory.depth === 0 || onError === "throw" || !isOfSystem(error)) {
      throw error;
    }
    if (onError === "collect") (this.#collected ??= []).push(error);
    else if (onError !== "skip") return onError(error, directory.path);
    return undefined;
  }

  /** Throws what was collected. */
  end(): void {
    if (this.#collected === undefined) return;
    throw new AggregateError(
      this.#collected,
      `${this.#collected.length} directories could not be read`,
    );
  }
}

/** Whether the system reported it, and not the runner, a pattern, or a mistake of ours. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error &&
    (error.name in Deno.errors || "code" in error) &&
    !(error instanceof DOMException);
}
