/**
 * Which directories may be read synchronously.
 *
 * An asynchronous read of a directory costs Deno 2.6 us for each entry, a synchronous one 1.1. But a
 * synchronous read of a directory on a network drive stops the whole process for as long as the network
 * likes, and one of a huge directory for as long as that takes. So it is done only where the kernel says that the
 * file system is on a disk of this machine or in its memory, and only for directories that are small.
 *
 * @module
 */

type StatFs = (path: string) => { readonly type: number };

// Not imported: a browser that imports the whole package could not load it then.
let statfs: StatFs | undefined;

function findStatFs(): StatFs | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): { statfsSync: StatFs } };
  };
  return process?.getBuiltinModule?.("node:fs").statfsSync;
}

/** The kernel's numbers of file systems that wait for no network: ext, xfs, btrfs, f2fs, zfs, tmpfs. */
const LOCAL = new Set([
  0xef53,
  0x58465342,
  0x9123683e,
  0xf2f52010,
  0x2fc12fc1,
  0x01021994,
]);
/** About 2,000 entries, which take 2 ms. */
const MOST_BYTES = 64 * 1024;

/** The device of a directory on a local disk; `undefined` when it is none, or nobody may tell. */
export function localDevice(directory: string): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { state } = Deno.permissions.querySync({
    name: "sys",
    kind: "statfs" as "hostname",
  });
  if (state !== "granted") return undefined;
  try {
    statfs ??= findStatFs();
    if (statfs === undefined || !LOCAL.has(statfs(directory).type)) {
      return undefined;
    }
    return Deno.statSync(directory).dev;
  } catch {
    // The asynchronous reading tells what is wrong.
    return undefined;
  }
}

/** Whether a directory (no link) is small and on that device: below it, another one may be mounted. */
export function isQuickToRead(directory: string, device: number): boolean {
  const info = Deno.lstatSync(directory);
  return info.isDirectory && info.dev === device && info.size <= MOST_BYTES;
}
