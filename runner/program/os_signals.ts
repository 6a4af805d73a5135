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

/** What Node's `process` and Deno have alike. */
interface SignalSource {
  on(name: string, listener: () => void): unknown;
  off(name: string, listener: () => void): unknown;
}

interface NodeProcess extends SignalSource {
  readonly platform?: string;
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
  const isDeno = typeof Deno !== "undefined";
  const source: SignalSource | undefined = isDeno
    ? {
      on: (name, tell) => Deno.addSignalListener(name as Deno.Signal, tell),
      off: (name, tell) => Deno.removeSignalListener(name as Deno.Signal, tell),
    }
    : nodeProcess();
  const isWindows = isDeno
    ? Deno.build.os === "windows"
    : nodeProcess()?.platform === "win32";
  for (const signal of [SIGINT, isWindows ? SIGBREAK : SIGTERM]) {
    const listener = () => heard(signal);
    try {
      source?.on(signal.name, listener);
      stops.push(() => source?.off(signal.name, listener));
    } catch {
      // This runtime does not know the signal, or does not offer it here (in a worker).
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
