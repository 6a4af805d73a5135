/**
 * What this process has open.
 *
 * @module
 */

/** How often this process has the file open; on Linux only, elsewhere 0. */
export function openFiles(path: string): number {
  if (Deno.build.os !== "linux") return 0;
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false;
    }
  }).length;
}
