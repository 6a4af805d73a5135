/**
 * The operating system's requests to end, and the end itself, on each runtime.
 *
 * @module
 */

/** A request to end: SIGINT, SIGTERM or, on Windows, SIGBREAK. */
export interface OsSignal {
  /** For example `"SIGINT"`. */
  readonly name: string;
  /** What a shell reports for a process that it ended: 128 and the signal's number. */
  readonly exitCode: number;
}

const SIGINT: OsSignal = { name: "SIGINT", exitCode: 130 };
const SIGTERM: OsSignal = { name: "SIGTERM", exitCode: 143 };
const SIGBREAK: OsSignal = { name: "SIGBREAK", exitCode: 149 };

interface NodeProcess {
  readonly platform?: string;
  on(name: string, listener: () => void): unknown;
  off(name: string, listener: () => void): unknown;
  exit(code: number): void;
}

function nodeProcess(): NodeProcess | undefined {
  const { process } = globalThis as { process?: Partial<NodeProcess> };
  return typeof process?.on === "function" && typeof process.exit === "function"
    ? process as NodeProcess
    : undefined;
}

/**
 * Tells `heard` of each signal until the returned function is called. Where there are no signals
 * (browsers, workers) it does nothing.
 */
export function listenToOsSignals(
  heard: (signal: OsSignal) => void,
): () => void {
  const stops: (() => void)[] = [];
  const listen = (
    signal: OsSignal,
    add: (name: string, listener: () => void) => void,
    remove: (name: string, listener: () => void) => void,
  ) => {
    const listener = () => heard(signal);
    try {
      add(signal.name, listener);
      stops.push(() => remove(signal.name, listener));
    } catch {
      // This runtime does not know the signal, or does not offer it here (in a worker).
    }
  };
  if (typeof Deno !== "undefined") {
    const second = Deno.build.os === "windows" ? SIGBREAK : SIGTERM;
    for (const signal of [SIGINT, second]) {
      listen(
        signal,
        (name, listener) =>
          Deno.addSignalListener(name as Deno.Signal, listener),
        (name, listener) =>
          Deno.removeSignalListener(name as Deno.Signal, listener),
      );
    }
  } else {
    const process = nodeProcess();
    if (process !== undefined) {
      const second = process.platform === "win32" ? SIGBREAK : SIGTERM;
      for (const signal of [SIGINT, second]) {
        listen(
          signal,
          (name, listener) => process.on(name, listener),
          (name, listener) => process.off(name, listener),
        );
      }
    }
  }
  return () => {
    for (const stop of stops.splice(0)) stop();
  };
}

/** Ends the process. */
export function exitProcess(code: number): void {
  if (typeof Deno !== "undefined") Deno.exit(code);
  nodeProcess()?.exit(code);
}
