/**
 * How long the tasks of each level wait for a slot, and how many wait now.
 *
 * @module
 */
import { type TaskInfo, TaskPriority } from "../../mod.ts";
import type { WaitTime } from "./report.ts";

/** The levels' names by number. */
const levels = Object.entries(TaskPriority).toSorted((a, b) => a[1] - b[1])
  .map(([name]) => name);

/** Fed by a runner's observer. */
export class WaitTimes {
  readonly #since = new Map<string, number>();
  readonly #waiting = levels.map(() => 0);
  readonly #waited: number[][] = levels.map(() => []);

  /** A task waits from now on. */
  queued({ id, priority }: TaskInfo): void {
    this.#since.set(id, performance.now());
    this.#waiting[priority] = (this.#waiting[priority] ?? 0) + 1;
  }

  /** It has got its slot. */
  started(task: TaskInfo): void {
    const since = this.#since.get(task.id) ?? performance.now();
    this.#waited[task.priority]?.push(performance.now() - since);
    this.left(task);
  }

  /** It waits no longer; nothing happens when it did not wait. */
  left({ id, priority }: TaskInfo): void {
    if (!this.#since.delete(id)) return;
    this.#waiting[priority] = (this.#waiting[priority] ?? 1) - 1;
  }

  /** How many wait now, by the name of the level. */
  waiting(): ReadonlyMap<string, number> {
    return new Map(
      levels.map((name, level) => [name, this.#waiting[level] ?? 0]),
    );
  }

  /** How long they have waited, level by level. */
  summary(): WaitTime[] {
    return this.#waited.flatMap((times, level) => {
      const sorted = times.toSorted((a, b) => a - b);
      const longest = sorted.at(-1);
      return longest === undefined ? [] : {
        level: levels[level] ?? String(level),
        tasks: sorted.length,
        median: sorted[Math.floor(sorted.length / 2)] ?? longest,
        longest,
      };
    });
  }
}
