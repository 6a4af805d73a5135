import { assertEquals, assertRejects } from "@std/assert";
import {
  AsyncDirectoryWatcher,
  type DirectoryWatcherOptions,
  WatchRootError,
} from "../../../file/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const needed: Deno.PermissionName[] = ["read", "write"];

/** Reads events one by one, as "kind path". */
async function eventsOf(
  root: string,
  options: DirectoryWatcherOptions,
): Promise<
  { next(): Promise<string>; [Symbol.asyncDispose](): Promise<void> }
> {
  const watcher = new AsyncDirectoryWatcher(root, { debounce: 5, ...options });
  await watcher.ready;
  const events = watcher.watch()[Symbol.asyncIterator]();
  return {
    async next() {
      const { value } = await events.next();
      return `${value?.kind} ${value?.path.slice(root.length + 1)}`;
    },
    [Symbol.asyncDispose]: () => watcher.stop(),
  };
}

/** Deno.watchFs does `before` first, until its disposal. */
function beforeWatching(before: (path: string) => void): Disposable {
  const { watchFs } = Deno;
  Deno.watchFs = (paths, options) => {
    before(String(paths));
    return watchFs(paths, options);
  };
  return {
    [Symbol.dispose]() {
      Deno.watchFs = watchFs;
    },
  };
}

testWith(
  needed,
  "AsyncDirectoryWatcher waits for a root that goes while the watching of it begins",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _left = nothingLeft();
    const root = directory.path("root");
    for (const round of [1, 2]) {
      directory.writeSync("root/early");
      let count = 0;
      using _ = beforeWatching(() => {
        // Before the system watches it, or just after.
        if (++count === 1) {
          if (round === 1) Deno.removeSync(root, { recursive: true });
          else queueMicrotask(() => Deno.removeSync(root, { recursive: true }));
        }
      });
      await using events = await eventsOf(root, { rootRemoved: "wait" });
      const next = events.next();
      directory.writeSync("root/late");
      assertEquals(await next, "create late");
      Deno.removeSync(root, { recursive: true });
      assertEquals(await events.next(), "remove late");
    }
  },
);

testWith(
  needed,
  "AsyncDirectoryWatcher waits for its root, or says that there is none, when the way to it leads through a file",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const root = directory.path("a/root");
    directory.writeSync("a");
    await assertRejects(
      () => new AsyncDirectoryWatcher(root).ready,
      WatchRootError,
      root,
    );
    for (const mode of [{}, { poll: 20 }]) {
      await using events = await eventsOf(root, {
        ...mode,
        rootRemoved: "wait",
      });
      const next = events.next();
      for (const round of [1, 2]) {
        Deno.removeSync(directory.path("a"), { recursive: true });
        directory.writeSync("a/root/f");
        assertEquals(await (round === 1 ? next : events.next()), "create f");
        Deno.removeSync(directory.path("a"), { recursive: true });
        directory.writeSync("a");
        assertEquals(await events.next(), "remove f");
      }
    }
  },
);

testWith(
  needed,
  "AsyncDirectoryWatcher listens again when its root was missing just while another watcher let go of it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _left = nothingLeft();
    directory.writeSync("root/f");
    const root = directory.path("root");
    const outer = new AsyncDirectoryWatcher(directory.root);
    await outer.ready;
    // It shares the outer one's native watcher, until that is closed.
    await using events = await eventsOf(root, {});
    let isMissing = true;
    using _ = beforeWatching(() => {
      if (!isMissing) return;
      isMissing = false;
      throw new Deno.errors.NotFound("gone for a moment");
    });
    const next = events.next();
    await outer.stop();
    directory.writeSync("root/g");
    assertEquals(await next, "create g");
    directory.writeSync("root/h");
    assertEquals(await events.next(), "create h");
  },
);
