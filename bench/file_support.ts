/**
 * Files for the benches, made on the spot and removed when the process ends. `BENCH_FULL=1` makes them as
 * large as the table of promises says; without it they are a tenth of that.
 *
 * @module
 */

/** Whether the full sizes are wanted. */
export const isFull: boolean = Deno.env.get("BENCH_FULL") === "1";

/** `size` in full, otherwise a tenth of it. */
export function sized(size: number): number {
  return isFull ? size : size / 10;
}

/** "500 MB" and the like. */
export function megabytes(size: number): string {
  return `${Math.round(size / 1e6)} MB`;
}

/** A directory for one bench file, removed at the end of the process. */
export function benchDirectory(): string {
  const directory = Deno.makeTempDirSync({ prefix: "async_core_bench_" });
  addEventListener("unload", () => {
    Deno.removeSync(directory, { recursive: true });
  });
  return directory;
}

/** Writes lines of 84 bytes until there are `size` bytes. */
export function writeLines(path: string, size: number): void {
  using file = Deno.createSync(path);
  const encoder = new TextEncoder();
  let written = 0;
  for (let line = 0; written < size;) {
    let block = "";
    for (let i = 0; i < 10_000; i++) {
      block += `line ${
        String(line++).padStart(9, "0")
      } of some text, as long as the lines of a log tend to be: so and so.\n`;
    }
    written += file.writeSync(encoder.encode(block));
  }
}

/** Writes `size` random bytes. */
export function writeRandom(path: string, size: number): void {
  using file = Deno.createSync(path);
  const block = new Uint8Array(65_536);
  for (let written = 0; written < size;) {
    crypto.getRandomValues(block);
    written += file.writeSync(
      block.subarray(0, Math.min(65_536, size - written)),
    );
  }
}

/** Runs `work` for each item, `count` at once. */
export async function inLoops<T>(
  items: readonly T[],
  count: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (next < items.length) await work(items[next++] as T);
    }),
  );
}

/** Runs a program to its end. */
export async function command(name: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
