/**
 * What a process holds: counted before and after, it tells what was not given back.
 *
 * @module
 */

/** Counts the timers that are set and not yet fired or cleared, from now on. */
export class TimerCount {
  readonly #open = new Set<unknown>();
  readonly #natives = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
  };

  constructor() {
    const open = this.#open;
    const natives = this.#natives;
    const set = (callback: () => void, delay?: number) => {
      const id = natives.setTimeout(() => {
        open.delete(id);
        callback();
      }, delay);
      open.add(id);
      return id;
    };
    const repeat = (callback: () => void, delay?: number) => {
      const id = natives.setInterval(callback, delay);
      open.add(id);
      return id;
    };
    const clear = (id?: Parameters<typeof clearTimeout>[0]) => {
      open.delete(id);
      natives.clearTimeout(id);
    };
    Object.assign(globalThis, {
      setTimeout: set,
      setInterval: repeat,
      clearTimeout: clear,
      clearInterval: clear,
    });
  }

  /** How many. */
  get size(): number {
    return this.#open.size;
  }
}

/** Counts the listeners of one signal that many share, from now on. */
export class ListenerCount {
  #count = 0;

  constructor(signal: AbortSignal) {
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    const listeners = new Set<unknown>();
    Object.assign(signal, {
      addEventListener: (...args: Parameters<typeof add>) => {
        listeners.add(args[1]);
        this.#count = listeners.size;
        add(...args);
      },
      removeEventListener: (...args: Parameters<typeof remove>) => {
        listeners.delete(args[1]);
        this.#count = listeners.size;
        remove(...args);
      },
    });
  }

  /** How many. */
  get size(): number {
    return this.#count;
  }
}

/** Open file descriptors; `undefined` where the system does not tell. */
export function openDescriptors(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Bytes of the heap that are in use after a collection. */
export async function heapUsed(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void };
  for (let round = 0; round < 3; round++) {
    gc?.();
    // Finalizers run in their own turn.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return Deno.memoryUsage().heapUsed;
}
