/**
 * A directory for one test, removed at its end whatever is in it.
 *
 * @module
 */

/** `await using directory = await TemporaryDirectory.create()`. */
export class TemporaryDirectory implements AsyncDisposable {
  /** Of those that are there now. */
  static readonly roots: Set<string> = new Set();

  private constructor(readonly root: string) {
    TemporaryDirectory.roots.add(root);
  }

  static async create(): Promise<TemporaryDirectory> {
    return new TemporaryDirectory(
      await Deno.makeTempDir({ prefix: "async_core_" }),
    );
  }

  /**
   * In memory where there is such a file system, which makes 100,000 files in a second and not in
   * twenty.
   */
  static async createForMany(): Promise<TemporaryDirectory> {
    try {
      const root = await Deno.makeTempDir({
        dir: "/dev/shm",
        prefix: "async_core_",
      });
      return new TemporaryDirectory(root);
    } catch {
      // None there, or not all permissions, which Deno wants for what is in /dev.
      return await TemporaryDirectory.create();
    }
  }

  /** The path of `name` in it. */
  path(name: string): string {
    return `${this.root}/${name}`;
  }

  /** Writes a file, its directories included, and returns its path. */
  async write(
    name: string,
    content: string | Uint8Array = "",
  ): Promise<string> {
    const path = this.path(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  }

  /** The same in one go: nothing else of this thread happens between its steps. */
  writeSync(name: string, content: string | Uint8Array = ""): string {
    const path = this.path(name);
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  /** What is directly in it, sorted. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.root)) names.push(name);
    return names.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
    TemporaryDirectory.roots.delete(this.root);
  }
}

/** All elements of an async iterable. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
