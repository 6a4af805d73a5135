/**
 * Aging: what waits for long is raised, so that no level starves.
 *
 * @module
 */
import type { Job, Queue } from "bullmq";
import type { TaskPriority } from "@specify/async-core/runner";
import type { Envelope } from "../engine.ts";
import { fromBull, LEVELS, toBull } from "./levels.ts";

/** Jobs of one level that one round looks at. */
const AT_ONCE = 100;

/**
 * Raises the heads of the levels, where starving shows first: one level for each `aging`
 * milliseconds that they have waited by `now`, on the clock of their `timestamp`.
 */
export async function age(
  queue: Queue,
  aging: number,
  now: number,
): Promise<void> {
  const counts = await queue.getCountsPerPriority([...LEVELS]);
  let offset = counts[1] ?? 0;
  for (const level of LEVELS.slice(1)) {
    const count = counts[level] ?? 0;
    if (count > 0) {
      const jobs = await queue.getJobs(
        ["prioritized"],
        offset,
        offset + Math.min(count, AT_ONCE) - 1,
        true,
      );
      for (const job of jobs) {
        const raised = toBull(submittedLevel(job)) -
          Math.floor((now - job.timestamp) / aging);
        const target = Math.max(1, raised);
        if (target < job.priority) {
          await job.changePriority({ priority: target }).catch(() => {
            // Taken or removed meanwhile.
          });
        }
      }
    }
    offset += count;
  }
}

function submittedLevel(job: Job): TaskPriority {
  const { level } = (job.data ?? {}) as Partial<Envelope>;
  return fromBull(typeof level === "number" ? level + 1 : job.priority);
}
