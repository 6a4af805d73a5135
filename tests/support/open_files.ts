/**
 * What this process has open, as Linux tells it; elsewhere, and where it may not be read, nothing.
 *
 * @module
 */

/**
 * The descriptors of this process, by number and file, each with what it leads to: that changes
 * when the file is moved or removed.
 */
export function openDescriptors(): Map<string, string> {
  const open = new Map<string, string>();
  if (Deno.build.os !== "linux") return open;
  if (Deno.permissions.querySync({ name: "read" }).state !== "granted") {
    return open;
  }
  try {
    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
      try {
        const path = `/proc/self/fd/${name}`;
        const { dev, ino } = Deno.statSync(path);
        open.set(`${name} (${dev}:${ino})`, Deno.readLinkSync(path));
      } catch (error) {
        // Closed since, as is the one that the directory was read by.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  } catch (error) {
    // Deno wants all permissions for what is in /proc.
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
  return open;
}

/**
 * How many descriptors of this process lead to the file, or to anything in the directory, removed or
 * not. One that is being read or written counts
 * twice: the runtime does that on a descriptor of its own.
 */
export function openFiles(path: string): number {
  let count = 0;
  for (const target of openDescriptors().values()) {
    if (
      target === path || target === `${path} (deleted)` ||
      target.startsWith(`${path}/`)
    ) count++;
  }
  return count;
}

/** The local port and the other side's, of each socket on the network, by its number. */
export function networkSockets(): Map<string, readonly [number, number]> {
  const sockets = new Map<string, readonly [number, number]>();
  for (const protocol of ["tcp", "tcp6", "udp", "udp6"]) {
    for (const [, local, remote, , , , , , , inode] of table(protocol)) {
      sockets.set(`${inode}`, [portOf(local), portOf(remote)]);
    }
  }
  return sockets;
}

/** The numbers of the sockets that have no name anywhere: pairs that the runtime talks to itself by. */
export function namelessSockets(): Set<string> {
  return new Set(
    [...table("unix")].flatMap(([, , , , , , inode, name]) =>
      inode !== undefined && name === undefined ? [inode] : []
    ),
  );
}

/** The rows of a table of /proc/net, in columns. */
function* table(name: string): Iterable<string[]> {
  let text: string;
  try {
    text = Deno.readTextFileSync(`/proc/self/net/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return; // No IPv6.
    throw error;
  }
  for (const line of text.trimEnd().split("\n").slice(1)) {
    yield line.trim().split(/\s+/);
  }
}

/** `0100007F:1F90` is 127.0.0.1:8080. */
function portOf(address: string | undefined): number {
  return Number.parseInt(address?.split(":").at(-1) ?? "", 16);
}
