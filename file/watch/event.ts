/**
 * What a watcher is asked for, and its events: the differences in the tree as the consumer sees them.
 *
 * @module
 */
import type { PathTest } from "../walk/matcher.ts";
import { joinPath } from "../paths.ts";
import type { TreeChange } from "./tree.ts";

/** Something that happened to a file or a directory. */
export interface WatchEvent {
  /** What happened. */
  kind: "create" | "modify" | "remove" | "rename";
  /** The directory as it was given to the watcher, and the way from there. */
  path: string;
  /** Where it was before, for a rename. */
  from?: string;
  /** Whether it is (or was) a directory. */
  isDirectory: boolean;
}

/** How to watch, checked. */
export interface WatchPlan {
  path: string;
  patterns: PathTest | undefined;
  ignore: PathTest | undefined;
  isRecursive: boolean;
  debounce: number;
  settle: number;
  initial: boolean;
  /** Milliseconds between two looks at everything; `undefined` to be told by the system. */
  poll: number | undefined;
  rootRemoved: "error" | "wait";
  signal: AbortSignal | undefined;
}

/**
 * `change` as an event, `undefined` when it is none of the consumer's.
 *
 * @param isFile Whether the root is a single file, which all events are about then.
 */
export function eventOf(
  { kind, path, from, node }: TreeChange,
  plan: WatchPlan,
  isFile: boolean,
): WatchEvent | undefined {
  const { isDirectory } = node;
  const shown = (path: string) => shownPath(path, plan.path, isFile);
  const isMeant = isPathMeant(path, plan);
  if (from === undefined) {
    return isMeant ? { kind, path: shown(path), isDirectory } : undefined;
  }
  // A rename over the edge of the patterns is seen as what it is on this side.
  const wasMeant = isPathMeant(from, plan);
  if (isMeant && wasMeant) {
    return { kind, path: shown(path), from: shown(from), isDirectory };
  }
  if (isMeant) return { kind: "create", path: shown(path), isDirectory };
  if (wasMeant) return { kind: "remove", path: shown(from), isDirectory };
  return undefined;
}

function isPathMeant(path: string, { patterns }: WatchPlan): boolean {
  return patterns === undefined ||
    patterns(path, path.slice(path.lastIndexOf("/") + 1));
}

function shownPath(path: string, root: string, isFile: boolean): string {
  if (isFile) return root;
  return root === "." ? path : joinPath(root, path);
}
