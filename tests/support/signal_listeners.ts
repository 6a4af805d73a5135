/**
 * Who still listens to a signal.
 *
 * @module
 */

/** Counts the listeners of a signal from now on; those that are called once go with the abort. */
export function countListeners(signal: AbortSignal): () => number {
  const listeners = new Map<unknown, boolean>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: unknown[]) => {
    const options = args[2] as AddEventListenerOptions | undefined;
    listeners.set(args[1], options?.once === true);
    addEventListener.apply(signal, args as never);
  };
  signal.removeEventListener = (...args: unknown[]) => {
    listeners.delete(args[1]);
    removeEventListener.apply(signal, args as never);
  };
  return () =>
    [...listeners.values()].filter((isOnce) => !(isOnce && signal.aborted))
      .length;
}
