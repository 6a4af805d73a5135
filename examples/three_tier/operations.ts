/**
 * The operations layer: what the program is about. It knows neither arguments nor HTTP, so it is
 * tested with a runtime that is an object of two functions.
 *
 * @module
 */
import { AsyncRunner, span } from "../../mod.ts";
import type { Repository, Runtime } from "./runtime.ts";

/** What is told of an owner. */
export interface OwnerSummary {
  readonly owner: string;
  readonly repositories: number;
  readonly stars: number;
  readonly best: string | undefined;
}

/** Sums up several owners, four at a time, in the order in which they were asked for. */
export async function summarize(
  runtime: Runtime,
  owners: readonly string[],
  signal: AbortSignal,
): Promise<OwnerSummary[]> {
  await using runner = new AsyncRunner({ maxWorkers: 4 });
  return await span(
    "owners.summarize",
    { owners: owners.length },
    () =>
      runner.gather(
        owners.map((owner) => async ({ signal }) =>
          sumUp(owner, await runtime.fetchRepositories(owner, signal))
        ),
        { signal },
      ),
  );
}

/** What the repositories of one owner come to. */
export function sumUp(owner: string, all: Repository[]): OwnerSummary {
  const alive = all.filter(({ archived }) => !archived)
    .sort((a, b) => b.stars - a.stars);
  return {
    owner,
    repositories: alive.length,
    stars: alive.reduce((sum, { stars }) => sum + stars, 0),
    best: alive[0]?.name,
  };
}
