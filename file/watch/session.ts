/**
 * One run of a watcher: hears hints, looks at the files when they are due and the consumer asks, and
 * delivers the differences.
 *
 * States: starting, watching, waiting (for a root that is not there), ended. `#end` leaves the
 * others for "ended" once, releases the native watcher and wakes the pull that waits; a pull
 * that finds "ended" delivers nothing more.
 *
 * Nothing is looked at before the consumer asks, so a slow one needs no queue: what is heard meanwhile is
 * kept once for each path, and beyond a bound as "look at everything" (hints.ts).
 *
 * @module
 */
import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { type AbortSubscription, heedAbort } from "../../_internal/abort.ts";
import { now } from "../../_internal/clock.ts";
import { withResolvers } from "../../_internal/resolvers.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import { isGone, WatchRootError } from "../errors.ts";
import {
  hasNativeWatch,
  type NativeSubscriber,
  subscribeNative,
  unsubscribeNative,
} from "./native_watch.ts";
import { isWindows } from "../paths.ts";
import { Wakeable } from "../wakeable.ts";
import { isTemporaryName } from "../write/temporary.ts";
import { eventOf, type WatchEvent, type WatchPlan } from "./event.ts";
import { FreshDirectories, Settling, WatchHints } from "./hints.ts";
import { rootIdentity, type TreeChange, WatchTree } from "./tree.ts";

/** How often the root itself is looked at: its removal is not always told. */
const ROOT_INTERVAL = 1_000;
/** How often a root that is not there is looked for. */
const MISSING_INTERVAL = 100;
/** Interval of polling where no native watcher is to be had. */
export const DEFAULT_POLL = 250;

/** The source of a watcher's stream. */
export class WatchSession implements BatchSource<WatchEvent>, NativeSubscriber {
  readonly closesWhilePending = true;
  /** Settles when the watching has begun, or cannot. */
  readonly ready: Promise<void>;
  readonly #plan: WatchPlan;
  readonly #onEnd: (session: WatchSession) => void;
  readonly #settling: Settling | undefined;
  readonly #started: PromiseWithResolvers<void> = withResolvers();
  /** Real path of the directory that is watched. */
  path = "";
  isRecursive: boolean;

  #state: "starting" | "watching" | "waiting" | "ended" = "starting";
  #failure: { error: unknown } | undefined;
  #tree: WatchTree | undefined;
  /** The only name that counts, when the root is a file. */
  #only: string | undefined;
  #isNative = false;
  #poll: number | undefined;
  readonly #hints: WatchHints;
  /** Everything is to be looked at, at this time. */
  #scanDue = Infinity;
  #rootDue = Infinity;
  readonly #fresh = new FreshDirectories();
  #output: WatchEvent[] = [];
  readonly #waiting = new Wakeable();
  #working: Promise<unknown> | undefined;
  #ending: Promise<void> | undefined;
  #subscription: AbortSubscription | undefined;

  constructor(plan: WatchPlan, onEnd: (session: WatchSession) => void) {
    this.#plan = plan;
    this.#onEnd = onEnd;
    this.#poll = plan.poll;
    this.#hints = new WatchHints(plan.debounce);
    this.isRecursive = plan.isRecursive;
    this.#settling = plan.settle > 0 ? new Settling(plan.settle) : undefined;
    this.ready = this.#started.promise;
    // Whoever does not ask for `ready` hears of a failure by the stream.
    this.ready.catch(() => {});
    this.#subscription = heedAbort(
      plan.signal,
      (reason) => this.#fail(reason),
    );
    if (!this.#isEnded()) this.#working = this.#start();
  }

  /** Whether it polls, as asked or because there is no native watcher. */
  get isPolling(): boolean {
    return this.#poll !== undefined;
  }

  async pull(): Promise<readonly WatchEvent[] | undefined> {
    for (;;) {
      await this.#working;
      if (this.#output.length > 0 && this.#state !== "ended") {
        const output = this.#output;
        this.#output = [];
        return output;
      }
      if (this.#failure !== undefined) {
        await this.#end();
        throw this.#failure.error;
      }
      if (this.#state === "ended") return undefined;
      const due = this.#due();
      if (due > now()) await this.#waiting.until(due);
      else {
        this.#working = this.#work().catch((error) => this.#fail(error));
        await this.#working;
      }
    }
  }

  /** Ends it; the pull that waits delivers the end. */
  close(): Promise<void> {
    return this.#end();
  }

  changed(path: string, kind: string): void {
    if (path === this.path) {
      // The root itself: removed, moved, or only its attributes.
      this.#rootDue = Math.min(this.#rootDue, now());
      this.#waiting.wake();
      return;
    }
    const start = this.path.endsWith("/")
      ? this.path.length
      : this.path.length + 1;
    // Elsewhere, a backslash is part of a name.
    const relative = isWindows()
      ? path.slice(start).replaceAll("\\", "/")
      : path.slice(start);
    if (this.#only !== undefined && relative !== this.#only) return;
    const name = relative.slice(relative.lastIndexOf("/") + 1);
    if (isTemporaryName(name) || this.#plan.ignore?.(relative, name)) return;
    const isFirst = this.#hints.due === Infinity;
    if (!this.#hints.add(relative, kind)) this.lost();
    // With a hint that is due before, the wait ends in time by itself.
    else if (isFirst) this.#waiting.wake();
  }

  lost(): void {
    this.#hints.clear();
    this.#scanDue = Math.min(this.#scanDue, now() + this.#plan.debounce);
    this.#waiting.wake();
  }

  failed(error: unknown): void {
    this.#isNative = false;
    // The directory has gone, or the system has no watchers left: either way, look by ourselves.
    if (isGone(error)) this.#rootDue = now();
    else this.#poll ??= DEFAULT_POLL;
    this.lost();
  }

  async #start(): Promise<void> {
    try {
      if (await this.#attach()) {
        const changes = this.#tree?.take() ?? [];
        this.#tree?.takeFresh();
        if (this.#plan.initial) this.#tell(changes);
      } else if (this.#plan.rootRemoved === "error") {
        throw new WatchRootError(this.#plan.path, "missing");
      }
      this.#started.resolve();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Begins to watch the root. False: there is none, and it is waited for. */
  async #attach(): Promise<boolean> {
    try {
      return await this.#attachToRoot();
    } catch (error) {
      if (!isGone(error)) throw error;
      // It may have gone at any moment of that.
      await this.#unlisten();
      this.#becomeWaiting();
      return false;
    }
  }

  /** False: it has been ended meanwhile. */
  async #attachToRoot(): Promise<boolean> {
    const { path, isRecursive, ignore } = this.#plan;
    const info = await Deno.stat(path);
    const real = await Deno.realPath(path);
    if (this.#isEnded()) return false;
    this.#only = info.isDirectory ? undefined : basename(real);
    this.path = info.isDirectory ? real : dirname(real);
    this.isRecursive = isRecursive && info.isDirectory;
    if (this.#poll === undefined) await this.#listen();
    if (this.#isEnded()) return false;
    const tree = new WatchTree(this.path, {
      isRecursive: this.isRecursive,
      ignore,
      only: this.#only,
    });
    tree.root.identity = await rootIdentity(this.path);
    await tree.scan();
    this.#tree = tree;
    if (this.#isEnded()) return false;
    this.#state = "watching";
    this.#rootDue = now() + ROOT_INTERVAL;
    if (this.#poll !== undefined) this.#scanDue = now() + this.#poll;
    return true;
  }

  async #listen(): Promise<void> {
    if (!hasNativeWatch()) {
      this.#poll = DEFAULT_POLL;
      return;
    }
    try {
      await subscribeNative(this);
      this.#isNative = true;
      // Ended meanwhile, when there was nothing to end yet.
      if (this.#isEnded()) await this.#unlisten();
    } catch (error) {
      if (
        isGone(error) || error instanceof Deno.errors.NotCapable ||
        error instanceof Deno.errors.PermissionDenied
      ) throw error;
      // The system has no watchers left.
      this.#poll = DEFAULT_POLL;
    }
  }

  /** From the directory that is gone to the one in its place. False: that has gone as well. */
  async #listenAgain(): Promise<boolean> {
    if (this.#poll !== undefined) return true;
    await this.#unlisten();
    try {
      if (!this.#isEnded()) await this.#listen();
      return true;
    } catch (error) {
      if (!isGone(error)) throw error;
      return false;
    }
  }

  async #unlisten(): Promise<void> {
    if (!this.#isNative) return;
    this.#isNative = false;
    await unsubscribeNative(this);
  }

  #isEnded(): boolean {
    return this.#state === "ended";
  }

  #becomeWaiting(): void {
    if (this.#isEnded()) return;
    this.#state = "waiting";
    this.#tree = undefined;
    this.#hints.clear();
    this.#fresh.clear();
    this.#scanDue = Infinity;
    this.#rootDue = now() + MISSING_INTERVAL;
  }

  #due(): number {
    return Math.min(
      this.#scanDue,
      this.#rootDue,
      this.#hints.due,
      this.#fresh.due,
      this.#settling?.due ?? Infinity,
    );
  }

  /** Looks at what is due, and puts the differences into the output. */
  async #work(): Promise<void> {
    const time = now();
    if (this.#state === "waiting") return await this.#lookForRoot();
    const tree = this.#tree;
    if (tree === undefined) return;
    const isRootDue = Math.min(this.#rootDue, this.#scanDue) <= time;
    if (isRootDue && !(await this.#checkRoot(tree))) return;
    if (this.#scanDue <= time) {
      this.#scanDue = this.#poll === undefined ? Infinity : time + this.#poll;
      this.#hints.clear();
      this.#fresh.clear();
      await tree.scan();
    } else {
      await tree.check(this.#takeHints(time));
      await tree.list(this.#fresh.take(time));
    }
    if (this.#isEnded()) return;
    this.#noteFresh(tree);
    this.#tell(tree.take());
  }

  #takeHints(time: number): Map<string, string> {
    const hints = this.#hints.take(time);
    for (const path of this.#settling?.duePaths(time) ?? []) {
      if (!hints.has(path)) hints.set(path, "check");
    }
    return hints;
  }

  #noteFresh(tree: WatchTree): void {
    const nodes = tree.takeFresh();
    if (this.#isNative) this.#fresh.add(nodes);
  }

  /** False: the root is gone, and that has been dealt with. */
  async #checkRoot(tree: WatchTree): Promise<boolean> {
    this.#rootDue = now() + ROOT_INTERVAL;
    const identity = await rootIdentity(this.path).catch((error) => {
      if (!isGone(error)) throw error;
    });
    const isHeard = this.#isNative || this.#poll !== undefined;
    if (identity === tree.root.identity && isHeard) return true;
    // Another directory under the same name, or the same again: the native watcher is on the one
    // that is gone, or was lost with it.
    if (identity !== undefined && await this.#listenAgain()) {
      tree.root.identity = identity;
      this.#scanDue = now();
      return true;
    }
    tree.clear();
    this.#tell(tree.take());
    await this.#unlisten();
    if (this.#plan.rootRemoved === "wait") this.#becomeWaiting();
    else this.#fail(new WatchRootError(this.#plan.path, "removed"), true);
    return false;
  }

  async #lookForRoot(): Promise<void> {
    this.#rootDue = now() + MISSING_INTERVAL;
    if (!(await this.#attach())) return;
    const tree = this.#tree;
    if (tree === undefined) return;
    this.#noteFresh(tree);
    this.#tell(tree.take());
  }

  /** Puts what concerns the consumer into the output. */
  #tell(changes: readonly TreeChange[]): void {
    const settled = this.#settling === undefined
      ? changes
      : this.#settling.pass(changes, now());
    for (const change of settled) {
      const event = eventOf(change, this.#plan, this.#only !== undefined);
      if (event !== undefined) this.#output.push(event);
    }
  }

  /** Ends with an error; `isLast`: what is in the output is delivered before. */
  #fail(error: unknown, isLast = false): void {
    if (this.#isEnded() || this.#failure !== undefined) return;
    this.#failure = { error };
    this.#started.reject(error);
    // What was seen before is delivered first; the pull after that ends it.
    if (!isLast || this.#output.length === 0) void this.#end();
  }

  #end(): Promise<void> {
    if (this.#state !== "ended") {
      this.#state = "ended";
      this.#subscription?.unsubscribe();
      this.#onEnd(this);
      const unlistened = this.#unlisten();
      this.#started.resolve();
      this.#waiting.wake();
      // What is being looked at is waited for, so that nothing is open afterwards. A failure from
      // within that work must not wait for itself.
      const working = this.#failure === undefined ? this.#working : undefined;
      this.#ending = Promise.all([unlistened, working]).then(() => {});
    }
    return this.#ending ?? Promise.resolve();
  }
}
