/**
 * Random tasks through a queue in Redis and a worker in this process.
 *
 * @module
 */
import { AsyncRunner, type TaskPriority } from "@specify/async-core";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { Fault, holds, type Load, pause } from "./load.ts";

const CANCELLED = new Error("cancelled by the soak");

/** What each task has been run for, by its key: once, as no worker is lost here. */
const runs = new Map<string, number>();

const work = defineTask(
  "soak",
  async ({ key, takes, fails }: Input, { signal }) => {
    runs.set(key, (runs.get(key) ?? 0) + 1);
    await pause(takes);
    signal.throwIfAborted();
    if (fails) throw new Fault(key);
    return key;
  },
);

interface Input {
  key: string;
  takes: number;
  fails: boolean;
}

/** Submits to a queue of its own: each task ends as it must, once, and the queue is empty after. */
export function clusters(redis: string): Load {
  return async (random, { signal }) => {
    const queue = `soak-${crypto.randomUUID()}`;
    await using cluster = new ClusterRunner({
      connection: redis,
      queue,
      signal,
    });
    await using local = new AsyncRunner({ maxWorkers: random.integer(1, 8) });
    const worker = cluster.work([work], {
      runner: local,
      handleSignals: false,
    });
    const submit = async (index: number): Promise<void> => {
      const key = `${queue} ${index}`;
      const fails = random.chance(0.15);
      const cancels = random.chance(0.15);
      const handle = cluster.submit(
        work({ key, takes: random.integer(0, 5), fails }),
        { priority: random.integer(0, 4) as TaskPriority },
      );
      if (cancels) {
        setTimeout(() => handle.cancel(CANCELLED), random.integer(0, 20));
      }
      const outcome = await handle.then((value) => {
        holds(value === key && !fails, "the result is this task's");
        return undefined;
      }, (error: Error) => error);
      if (outcome !== undefined) {
        holds(
          (fails && outcome.message === key) ||
            (cancels && outcome === CANCELLED),
          `a task fails for a reason, not ${outcome}`,
        );
      }
      const count = runs.get(key) ?? 0;
      holds(
        count === 1 || (outcome === CANCELLED && count === 0),
        `a task runs once, not ${count} times`,
      );
      runs.delete(key);
    };
    await Promise.all(
      Array.from({ length: random.integer(5, 60) }, (_, n) => submit(n)),
    );
    await cluster.onIdle();
    await worker.stop();
  };
}
