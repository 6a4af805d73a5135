/**
 * How an operator goes on after something that it has to wait for.
 *
 * @module
 */
import type { Wait } from "../../_internal/iterators.ts";
import type { RunAccess } from "./types.ts";

/** Goes on with `then` when `thenable` settles, unless the stream was stopped in the meantime. */
export function later<T>(
  run: Pick<RunAccess, "isStopped">,
  level: number,
  thenable: PromiseLike<T>,
  then: (value: T) => Wait,
): Wait {
  return Promise.resolve(thenable).then((value) =>
    run.isStopped(level) ? undefined : then(value)
  );
}
