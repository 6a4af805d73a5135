/**
 * The operating system's request to end, on each runtime.
 *
 * @module
 */

interface NodeProcess {
  on(name: string, listener: () => void): unknown;
  off(name: string, listener: () => void): unknown;
}

/**
 * Calls `heard` at SIGTERM until the returned function is called; after that the signal ends the
 * process again. Where there are no signals it does nothing.
 */
export function onTermination(heard: () => void): () => void {
  if (typeof Deno !== "undefined") {
    // Windows knows no SIGTERM that a program could listen to.
    if (Deno.build.os === "windows") return () => {};
    Deno.addSignalListener("SIGTERM", heard);
    return () => Deno.removeSignalListener("SIGTERM", heard);
  }
  const { process } = globalThis as { process?: NodeProcess };
  if (process === undefined) return () => {};
  process.on("SIGTERM", heard);
  return () => process.off("SIGTERM", heard);
}
