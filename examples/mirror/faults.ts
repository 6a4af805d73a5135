/**
 * What an origin does wrong, and when: a script that says for each path what happens to its
 * first request, its second, and so on. After its script a path is served well.
 *
 * @module
 */

/** One thing that goes wrong with one request. */
export type Fault =
  /** Answers 503 and asks to come back in so many seconds. */
  | { readonly kind: "unavailable"; readonly retryAfter: number }
  /** Sends a part of the body, then drops the connection. */
  | { readonly kind: "reset"; readonly after: number }
  /** The first byte comes so many milliseconds late. */
  | { readonly kind: "slow"; readonly delay: number }
  /** Never answers. */
  | { readonly kind: "silent" }
  /** Sends a part of the body, tells, and holds the rest back until the peer is gone. */
  | {
    readonly kind: "hold";
    readonly after: number;
    readonly reached: () => void;
  };

/** For each path the faults of its requests, in order. */
export type FaultScript = ReadonlyMap<string, readonly Fault[]>;

/** How many files get which fault. */
export interface FaultCounts {
  readonly unavailable: number;
  readonly reset: number;
  readonly slow: number;
  readonly silent: number;
}

/** A repeatable sequence of numbers from 0 to 1 (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Spreads the faults over the files; the same seed and files always give the same script. */
export function scriptFaults(
  files: readonly { readonly path: string; readonly size: number }[],
  counts: FaultCounts,
  seed: number,
): FaultScript {
  const random = seededRandom(seed);
  const left = files.toSorted((a, b) => a.path < b.path ? -1 : 1);
  const script = new Map<string, Fault[]>();
  const spread = (
    count: number,
    leastSize: number,
    fault: (size: number) => Fault,
  ) => {
    for (let n = 0; n < count && left.length > 0; n++) {
      const start = Math.floor(random() * left.length);
      const offset = [...left.slice(start), ...left.slice(0, start)]
        .findIndex((file) => file.size >= leastSize);
      if (offset < 0) return;
      const [file] = left.splice((start + offset) % left.length, 1);
      if (file !== undefined) script.set(file.path, [fault(file.size)]);
    }
  };
  spread(counts.reset, 1024, (size) => ({
    kind: "reset",
    after: Math.floor(size / 2),
  }));
  spread(counts.unavailable, 0, () => ({ kind: "unavailable", retryAfter: 1 }));
  spread(counts.slow, 0, () => ({
    kind: "slow",
    delay: 200 + Math.floor(random() * 300),
  }));
  spread(counts.silent, 0, () => ({ kind: "silent" }));
  return script;
}
