/**
 * Lets timers and I/O have a turn. `setImmediate` costs 3 us and waits for nothing; `setTimeout(0)`
 * would idle for a millisecond or more.
 *
 * @module
 */

/** Resolves in a later turn of the event loop, after what is due now. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate } = globalThis as {
      setImmediate?: (callback: () => void) => unknown;
    };
    if (typeof setImmediate === "function") setImmediate(resolve);
    else if (typeof MessageChannel === "function") {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(undefined);
    } else setTimeout(resolve, 0);
  });
}
