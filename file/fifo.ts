/**
 * FIFOs: opening one waits for its other end, and reading or writing one for what happens there, for
 * ever perhaps. Whoever gives up does not wait with them.
 *
 * @module
 */

/** Whether there is a FIFO at `path`; false when we may not look. Never rejects, never prompts. */
export async function isFifo(path: string): Promise<boolean> {
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return false;
  try {
    return (await Deno.stat(path)).isFifo === true;
  } catch {
    return false;
  }
}
