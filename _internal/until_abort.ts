/**
 * Waiting for what others do (hooks, functions that make a body or a token, a function in fetch's
 * place), no longer than the call lasts: they may not listen to its signal.
 *
 * @module
 */
import { onAbort } from "./abort.ts";

/**
 * The result of `pending`; rejects with the signal's reason as soon as it aborts. What comes later
 * is given to `discard`, if it is something that must be given back.
 */
export function untilAbort<T>(
  pending: PromiseLike<T>,
  signal: AbortSignal,
  discard?: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = signal.aborted;
    if (isLate) reject(signal.reason);
    const subscription = isLate ? undefined : onAbort(signal, (reason) => {
      isLate = true;
      reject(reason);
    });
    pending.then(
      (value) => {
        subscription?.unsubscribe();
        if (isLate) discard?.(value);
        else resolve(value);
      },
      (error) => {
        subscription?.unsubscribe();
        reject(error);
      },
    );
  });
}
