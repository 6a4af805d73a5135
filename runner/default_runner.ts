/**
 * The runner that nobody made: for background tasks that are given none.
 *
 * @module
 */
import { report } from "../_internal/errors.ts";
import { AsyncRunner } from "./async_runner.ts";

let runner: AsyncRunner | undefined;

/** The process's own runner, with the defaults of AsyncRunner; made at the first call. */
export function defaultRunner(): AsyncRunner {
  return runner ??= new AsyncRunner();
}

/**
 * Cancels and awaits what is on the default runner. The next `defaultRunner()` makes a new one.
 * Tasks that have not ended `grace` milliseconds after their cancel are named on the console.
 */
export async function endDefaultRunner(grace: number): Promise<void> {
  const ending = runner;
  if (ending === undefined) return;
  runner = undefined;
  const { unfinished } = await ending.shutdown({ wait: false, grace });
  if (unfinished.length > 0) {
    report(
      `Background tasks that ignore their signal still run`,
      unfinished.map(({ name }) => name).join(", "),
    );
  }
}
