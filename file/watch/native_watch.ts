/**
 * One registry of native watchers for the whole process.
 *
 * All watchers of Deno.watchFs share one backend, in which closing a watcher deafens every other one that
 * overlaps with it, and a non-recursive watcher beside a recursive one hears too much. So no two
 * native watchers overlap: who watches within a directory that is watched recursively already joins
 * that watcher and gets what is its own; who watches around others takes them in. Whoever is moved
 * from one native watcher to another may have missed something and is told so.
 *
 * @module
 */
import { SEPARATOR } from "@std/path/constants";
import { isBelow } from "../paths.ts";

/** What somebody who watches is told. Calls are synchronous and must not throw. */
export interface NativeSubscriber {
  /** The directory, by its real path. */
  readonly path: string;
  /** Everything below, or just what is directly in it. */
  readonly isRecursive: boolean;
  /** Something has happened to `path`: nothing more can be relied on. */
  changed(path: string, kind: string): void;
  /** Events may have been lost: look at everything again. */
  lost(): void;
  /** There is no native watcher any more: it could not be opened again. */
  failed(error: unknown): void;
}

// Invariants: no two of `natives` overlap; every subscriber is in exactly one of them, which covers
// it; at least one subscriber of each has the path and the depth of the native watcher itself.
interface Native {
  readonly path: string;
  readonly isRecursive: boolean;
  readonly subscribers: Set<NativeSubscriber>;
  watcher: Deno.FsWatcher;
  /** Ends when the watcher is closed for good. */
  pump: Promise<void>;
  isClosed: boolean;
  reopening: ReturnType<typeof setTimeout> | undefined;
  reopenedAt: number;
}

const natives = new Set<Native>();
/** A watcher that dies again within this time waits as long before it is opened again. */
const REOPEN_INTERVAL = 200;

/** Whether this runtime has native watchers at all. */
export function hasNativeWatch(): boolean {
  return typeof Deno.watchFs === "function";
}

// One change of the registry at a time: the system lets go of a closed watcher only when its
// iterator has ended, and a new one that is opened before would be deafened by that.
let changing: Promise<unknown> = Promise.resolve();

function exclusively<T>(change: () => Promise<T>): Promise<T> {
  const result = changing.then(change);
  changing = result.catch(() => {});
  return result;
}

/**
 * Begins to tell `subscriber`.
 *
 * @throws What Deno.watchFs throws: NotFound, NotCapable, or that the system has no more watchers.
 */
export function subscribeNative(subscriber: NativeSubscriber): Promise<void> {
  return exclusively(() => add(subscriber));
}

/** Ends it. Resolves when the native watcher, if nobody else needs it, has ended. */
export function unsubscribeNative(
  subscriber: NativeSubscriber,
): Promise<void> {
  return exclusively(() => remove(subscriber));
}

async function add(subscriber: NativeSubscriber): Promise<void> {
  for (const native of natives) {
    if (covers(native, subscriber)) {
      native.subscribers.add(subscriber);
      return;
    }
  }
  const inner = [...natives].filter((native) => covers(subscriber, native));
  // Closed first: closing them later would deafen the new one.
  for (const native of inner) await close(native);
  let outer: Native;
  try {
    outer = open(subscriber.path, subscriber.isRecursive);
  } catch (error) {
    for (const native of inner) await addAgain(native.subscribers);
    throw error;
  }
  outer.subscribers.add(subscriber);
  for (const native of inner) {
    for (const moved of native.subscribers) {
      outer.subscribers.add(moved);
      moved.lost();
    }
  }
}

async function remove(subscriber: NativeSubscriber): Promise<void> {
  for (const native of natives) {
    if (!native.subscribers.delete(subscriber)) continue;
    const isNeeded = [...native.subscribers].some((other) =>
      other.path === native.path && other.isRecursive === native.isRecursive
    );
    if (isNeeded) return;
    await close(native);
    return await addAgain(native.subscribers);
  }
}

/** Outer ones first, so that inner ones join them. */
async function addAgain(
  subscribers: Iterable<NativeSubscriber>,
): Promise<void> {
  const outerFirst = [...subscribers].sort((a, b) =>
    a.path.length - b.path.length ||
    Number(b.isRecursive) - Number(a.isRecursive)
  );
  for (const subscriber of outerFirst) {
    try {
      await add(subscriber);
      subscriber.lost();
    } catch (error) {
      subscriber.failed(error);
    }
  }
}

interface Area {
  readonly path: string;
  readonly isRecursive: boolean;
}

function covers(outer: Area, inner: Area): boolean {
  if (outer.path === inner.path) return outer.isRecursive || !inner.isRecursive;
  return outer.isRecursive && isBelow(inner.path, outer.path);
}

function isIn(area: Area, path: string): boolean {
  if (path === area.path) return true;
  if (!isBelow(path, area.path)) return false;
  return area.isRecursive ||
    path.indexOf(SEPARATOR, area.path.length + 1) === -1;
}

function open(path: string, isRecursive: boolean): Native {
  const native: Native = {
    path,
    isRecursive,
    subscribers: new Set(),
    watcher: Deno.watchFs(path, { recursive: isRecursive }),
    pump: Promise.resolve(),
    isClosed: false,
    reopening: undefined,
    reopenedAt: -Infinity,
  };
  natives.add(native);
  native.pump = pump(native);
  return native;
}

async function close(native: Native): Promise<void> {
  native.isClosed = true;
  natives.delete(native);
  clearTimeout(native.reopening);
  // Unlike `close()`, it may come after an iterator that failed has closed it.
  native.watcher[Symbol.dispose]();
  await native.pump;
}

/** Passes events on until the watcher is closed. Never rejects. */
async function pump(native: Native): Promise<void> {
  try {
    for await (const event of native.watcher) {
      if (native.isClosed) return;
      deliver(native, event);
    }
  } catch {
    // A name that is no UTF-8 ends the iterator; what it was about is found by looking again.
  }
  if (native.isClosed) return;
  native.watcher[Symbol.dispose]();
  const since = performance.now() - native.reopenedAt;
  native.reopening = setTimeout(
    () => exclusively(() => reopen(native)),
    since < REOPEN_INTERVAL ? REOPEN_INTERVAL : 0,
  );
}

async function reopen(native: Native): Promise<void> {
  // Closed while it waited for its turn.
  if (native.isClosed) return;
  native.reopenedAt = performance.now();
  try {
    native.watcher = Deno.watchFs(native.path, {
      recursive: native.isRecursive,
    });
  } catch (error) {
    await close(native);
    for (const subscriber of native.subscribers) subscriber.failed(error);
    return;
  }
  native.pump = pump(native);
  for (const subscriber of native.subscribers) subscriber.lost();
}

function deliver(native: Native, event: Deno.FsEvent): void {
  const { kind, flag, paths } = event;
  if (flag === "rescan") {
    for (const subscriber of native.subscribers) subscriber.lost();
    return;
  }
  if (kind === "access") return;
  for (const path of paths) {
    for (const subscriber of native.subscribers) {
      if (isIn(subscriber, path)) subscriber.changed(path, kind);
    }
  }
}
