/**
 * One source after the other, out of the elements of a stream. An inner source is opened when
 * its turn comes and closed when the stream stops; nothing is read ahead.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import type { Operator, Wait } from "../engine/engine.ts";
import {
  discardSource,
  enterSource,
  type StreamSource,
} from "../engine/source.ts";
import type { Mapper } from "./element.ts";

/** The elements of fn(value), for each value. */
export function flatMap<T, U>(
  fn: Mapper<T, StreamSource<U>>,
): Operator<T, U> {
  return (next, run, level) => {
    let index = 0;
    const enter = (source: StreamSource<U>): Wait => {
      if (typeof source === "string") {
        // As in Iterator.prototype.flatMap: its characters are hardly ever what is meant.
        throw new TypeError(
          "flatMap() was given a string to flatten. Wrap it in an array, or spread it for its characters.",
        );
      }
      if (Array.isArray(source)) {
        if (source.length === 0) return undefined;
        if (source.length === 1 && !isThenable(source[0])) {
          return next(source[0]);
        }
      }
      return enterSource(run, level + 1, next, source);
    };
    return (value) => {
      const source = fn(value, index++);
      return isThenable(source)
        ? Promise.resolve(source as PromiseLike<StreamSource<U>>).then((
          source,
        ) =>
          // Stopped in the meantime: not opened, only closed.
          run.isStopped(level)
            ? discardSource(source, undefined)
            : enter(source)
        )
        : enter(source as StreamSource<U>);
    };
  };
}
