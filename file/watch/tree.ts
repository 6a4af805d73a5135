/**
 * What a watcher knows of the files, and how that differs from what is there now.
 *
 * Events of the system say only where to look: they come twice, late, for names that exist no more,
 * or not at all. So an event is found by comparing what was known with what is there; that makes
 * native watching, polling and the reconciliation after a loss one and the same.
 *
 * Invariant: the tree is what has been told to the consumer, together with the changes that `take`
 * has not given out yet. A node is changed synchronously after each look at the file, never
 * across an await, and a node that was removed is marked so that a look begun before does nothing.
 *
 * @module
 */
import { ConcurrentMap } from "../../_internal/concurrent_map.ts";
import type { PathTest } from "../walk/matcher.ts";
import { isGone } from "../errors.ts";
import { joinPath } from "../paths.ts";
import { isTemporaryName } from "../write/temporary.ts";

/** Something that is known to be there. */
export interface WatchNode {
  name: string;
  parent: WatchNode | undefined;
  isDirectory: boolean;
  /** Device, inode and time of birth: what stays when it is moved. Empty when unknown. */
  identity: string;
  size: number;
  modified: number;
  changed: number;
  /** It was written so recently that a further write may not show. */
  isRecent: boolean;
  isRemoved: boolean;
  children: Map<string, WatchNode> | undefined;
}

/** What became of a path, in order. */
export interface TreeChange {
  kind: "create" | "modify" | "remove" | "rename";
  /** Relative to the root. */
  path: string;
  from?: string;
  node: WatchNode;
}

/** Which files a tree is about. */
export interface TreeOptions {
  isRecursive: boolean;
  /** What is not even looked at. */
  ignore: PathTest | undefined;
  /** The only name of the root that counts: a single file is watched. */
  only: string | undefined;
}

/** Modification times this close to now may be shared by the next write, in milliseconds. */
const RECENT = 20;
const DIRECTORIES_AT_ONCE = 16;
const FILES_AT_ONCE = 64;
const MAX_ROUNDS = 3;

/** The known files of one watcher. */
export class WatchTree {
  readonly root: WatchNode;
  readonly #path: string;
  readonly #options: TreeOptions;
  #removed: { path: string; node: WatchNode }[] = [];
  readonly #created: Set<WatchNode> = new Set();
  readonly #modified: Set<WatchNode> = new Set();
  /** Directories that have come up and not been looked into yet. */
  #unlisted: WatchNode[] = [];
  /** Something that had just been listed was gone: what was seen is of two moments. */
  #isTorn = false;
  /** Directories found since the last `takeFresh`. */
  #fresh: WatchNode[] = [];

  constructor(path: string, options: TreeOptions) {
    this.#path = path;
    this.#options = options;
    this.root = newNode("", undefined, true);
    this.root.children = new Map();
  }

  /**
   * Looks at everything; again when something moved meanwhile, so that both ends of the move are seen
   * together.
   */
  async scan(): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.#isTorn = false;
      this.#unlisted.push(this.root);
      await this.#listAll(true);
      if (!this.#isTorn) return;
    }
  }

  /**
   * Looks at some paths (relative to the root), of which something was heard. Paths that are known to
   * be gone or to have come with their directory cost nothing.
   */
  async check(hints: ReadonlyMap<string, string>): Promise<void> {
    const looks = new Map<
      string,
      { parent: WatchNode; name: string; kind: string }
    >();
    for (const [path, kind] of hints) {
      const look = this.#lookFor(path, kind);
      if (look !== undefined) {
        looks.set(this.#pathOf(look.parent, look.name), look);
      }
    }
    await forEach(
      looks.values(),
      ({ parent, name, kind }) => this.#look(parent, name, kind, false),
    );
    await this.#listAll(false);
  }

  /** Looks again into directories, at every file in them. */
  async list(nodes: readonly WatchNode[]): Promise<void> {
    for (const node of nodes) if (!node.isRemoved) this.#unlisted.push(node);
    await this.#listAll(false);
  }

  /** Everything known is gone. */
  clear(): void {
    for (const node of this.root.children?.values() ?? []) this.#remove(node);
  }

  /** Directories found since the last call: the system may not have watched them from the start. */
  takeFresh(): WatchNode[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh.filter(({ isRemoved }) => !isRemoved);
  }

  /** What has changed since the last call: removed, renamed, created, modified. */
  take(): TreeChange[] {
    const arrived = new Map<string, WatchNode>();
    for (const node of this.#created) {
      if (node.identity !== "" && !node.isRemoved) {
        arrived.set(node.identity, node);
      }
    }
    const removes: TreeChange[] = [];
    const renamedFrom = new Map<WatchNode, { path: string; node: WatchNode }>();
    for (const gone of this.#removed) {
      const { identity, isDirectory } = gone.node;
      const node = arrived.get(identity);
      if (node !== undefined && node.isDirectory === isDirectory) {
        renamedFrom.set(node, gone);
        arrived.delete(identity);
      } else {
        removes.push({ kind: "remove", path: gone.path, node: gone.node });
      }
    }
    const renames: TreeChange[] = [];
    const creates: TreeChange[] = [];
    const modifies: TreeChange[] = [];
    for (const node of this.#created) {
      if (node.isRemoved) continue;
      const path = this.pathOf(node);
      const from = renamedFrom.get(node);
      if (from === undefined) creates.push({ kind: "create", path, node });
      else {
        renames.push({ kind: "rename", path, from: from.path, node });
        if (!node.isDirectory && !hasSameContent(from.node, node)) {
          modifies.push({ kind: "modify", path, node });
        }
      }
    }
    for (const node of this.#modified) {
      if (!node.isRemoved) {
        modifies.push({ kind: "modify", path: this.pathOf(node), node });
      }
    }
    this.#removed = [];
    this.#created.clear();
    this.#modified.clear();
    return [...removes, ...renames, ...creates, ...modifies];
  }

  /** The path of a node, relative to the root. */
  pathOf(node: WatchNode): string {
    return node.parent === undefined
      ? ""
      : this.#pathOf(node.parent, node.name);
  }

  /** The node at a relative path. */
  nodeAt(path: string): WatchNode | undefined {
    let node: WatchNode | undefined = this.root;
    for (const name of path.split("/")) node = node?.children?.get(name);
    return node;
  }

  #pathOf(parent: WatchNode, name: string): string {
    const prefix = this.pathOf(parent);
    return prefix === "" ? name : `${prefix}/${name}`;
  }

  /** Where to look for `path`: at itself, or at the highest directory above it that is not known. */
  #lookFor(
    path: string,
    kind: string,
  ): { parent: WatchNode; name: string; kind: string } | undefined {
    const names = path.split("/");
    const { only, isRecursive } = this.#options;
    if (only !== undefined && names[0] !== only) return undefined;
    if (!isRecursive && names.length > 1) return undefined;
    let parent = this.root;
    for (let depth = 0;; depth++) {
      // At most the last, whose turn ends the loop.
      const name = names[depth] as string;
      if (depth === names.length - 1) return { parent, name, kind };
      const node = parent.children?.get(name);
      if (node?.children === undefined) return { parent, name, kind: "create" };
      parent = node;
    }
  }

  /**
   * Compares what is at `name` in `parent` with what was known. `kind` is what was heard of it,
   * "check" for nothing, "" when it has just been listed; `isDeep`: known directories are looked into as well.
   */
  async #look(
    parent: WatchNode,
    name: string,
    kind: string,
    isDeep: boolean,
  ): Promise<void> {
    const relative = this.#pathOf(parent, name);
    // The temporary files of atomic writes are no files yet.
    if (isTemporaryName(name) || this.#options.ignore?.(relative, name)) return;
    // From before the look: a busy machine may take its time until it comes back with the answer.
    const asked = Date.now();
    let info: Deno.FileInfo | undefined;
    try {
      info = await Deno.lstat(joinPath(this.#path, relative));
    } catch (error) {
      if (!isGone(error)) return; // It cannot be looked at: it stays what it was.
    }
    if (parent.isRemoved) return;
    const node = parent.children?.get(name);
    if (info === undefined) {
      // Listed a moment ago: it or what it lies in has just moved. The next look tells which.
      if (kind === "") this.#isTorn = true;
      else if (node !== undefined) this.#remove(node);
      return;
    }
    if (node !== undefined && node.isDirectory !== info.isDirectory) {
      this.#remove(node);
      this.#create(parent, name, info, asked);
    } else if (node === undefined) this.#create(parent, name, info, asked);
    else this.#update(node, info, asked, kind, isDeep);
  }

  #create(
    parent: WatchNode,
    name: string,
    info: Deno.FileInfo,
    asked: number,
  ): void {
    const node = newNode(name, parent, info.isDirectory);
    describe(node, info, asked);
    if (info.isDirectory && this.#options.isRecursive) {
      node.children = new Map();
      this.#unlisted.push(node);
      this.#fresh.push(node);
    }
    parent.children?.set(name, node);
    this.#created.add(node);
  }

  #update(
    node: WatchNode,
    info: Deno.FileInfo,
    asked: number,
    kind: string,
    isDeep: boolean,
  ): void {
    const before = { ...node };
    describe(node, info, asked);
    if (node.isDirectory) {
      // Another directory in its place, or one that was heard of as new: its content may differ.
      const isOther = before.identity !== node.identity ||
        (kind !== "" && kind !== "modify");
      if (node.children !== undefined && (isDeep || isOther)) {
        this.#unlisted.push(node);
      }
      return;
    }
    const isModified = before.identity !== node.identity ||
      before.size !== node.size || before.modified !== node.modified ||
      before.changed !== node.changed ||
      (before.isRecent && kind === "modify");
    if (isModified && !this.#created.has(node)) this.#modified.add(node);
  }

  #remove(node: WatchNode): void {
    for (const child of node.children?.values() ?? []) this.#remove(child);
    const path = this.pathOf(node);
    node.isRemoved = true;
    node.parent?.children?.delete(node.name);
    // Found and lost between two calls of take: nobody has heard of it.
    if (!this.#created.delete(node)) this.#removed.push({ path, node });
  }

  /** Lists what is in `#unlisted`, and with that what comes up. */
  async #listAll(isDeep: boolean): Promise<void> {
    while (this.#unlisted.length > 0) {
      const nodes = this.#unlisted.splice(-DIRECTORIES_AT_ONCE);
      await Promise.all(nodes.map((node) => this.#list(node, isDeep)));
    }
  }

  async #list(node: WatchNode, isDeep: boolean): Promise<void> {
    const { only } = this.#options;
    const names: string[] = [];
    if (only !== undefined) names.push(only);
    else {
      try {
        const path = joinPath(this.#path, this.pathOf(node));
        for await (const { name } of Deno.readDir(path)) names.push(name);
      } catch (error) {
        // Gone, which the next look at its parent shows, or not readable: it stays what it was.
        if (isGone(error)) this.#isTorn = true;
        return;
      }
    }
    if (node.isRemoved) return;
    const present = new Set(names);
    for (const [name, child] of node.children ?? []) {
      if (!present.has(name)) this.#remove(child);
    }
    const kind = only === undefined ? "" : "check";
    await forEach(names, (name) => this.#look(node, name, kind, isDeep));
  }
}

/** Looks at files, several at once. */
async function forEach<T>(
  items: Iterable<T>,
  look: (item: T) => Promise<void>,
): Promise<void> {
  const options = { concurrency: FILES_AT_ONCE, ordered: false };
  await new ConcurrentMap(items, look, options).run();
}

function newNode(
  name: string,
  parent: WatchNode | undefined,
  isDirectory: boolean,
): WatchNode {
  return {
    name,
    parent,
    isDirectory,
    identity: "",
    size: 0,
    modified: 0,
    changed: 0,
    isRecent: false,
    isRemoved: false,
    children: undefined,
  };
}

/** `asked`: the time before the look, by the wall clock as the file's times are. */
function describe(node: WatchNode, info: Deno.FileInfo, asked: number): void {
  node.identity = info.ino === null || info.ino === 0
    ? ""
    : `${info.dev}:${info.ino}:${info.birthtime?.getTime() ?? ""}`;
  node.size = info.size;
  node.modified = info.mtime?.getTime() ?? 0;
  node.changed = info.ctime?.getTime() ?? 0;
  node.isRecent = node.modified > asked - RECENT;
}

function hasSameContent(a: WatchNode, b: WatchNode): boolean {
  return a.size === b.size && a.modified === b.modified;
}

/** What tells a directory from another one under its name. Rejects when there is none. */
export async function rootIdentity(path: string): Promise<string> {
  const info = await Deno.stat(path);
  if (!info.isDirectory) {
    throw new Deno.errors.NotFound(`No directory any more: '${path}'`);
  }
  return `${info.dev}:${info.ino}:${info.birthtime?.getTime() ?? ""}`;
}
