/**
 * Counts what happens in a run, for the display and the report. Everything is told here once, at
 * the moment it happens.
 *
 * @module
 */
import {
  CircuitState,
  type CircuitStateChange,
  type TaskInfo,
  type TaskObserver,
} from "../../mod.ts";
import type { ManifestFile } from "./manifest.ts";
import type { Snapshot } from "./progress.ts";
import type { MissingFile, Summary } from "./report.ts";
import { WaitTimes } from "./wait_times.ts";

/** What one download tells of itself. */
export interface Transfer {
  /** So many bytes of the file are there, `received` of them over the network. */
  reached(total: number, received: number): void;
  /** The file is in place. */
  finish(file: ManifestFile, resumedFrom: number): void;
  /** It will not come: what arrived of it does not count. */
  fail(): void;
}

/** The counts of one run. */
export class Tally implements TaskObserver {
  readonly #start = performance.now();
  #end: number | undefined = undefined;
  readonly #waits = new WaitTimes();
  #running = 0;
  #files = 0;
  #bytes = 0;
  #doneBytes = 0;
  #kept = 0;
  #fetched = 0;
  #resumed = 0;
  #received = 0;
  #retries = 0;
  #trips = 0;
  readonly #breakers = new Map<string, string>();
  readonly #requested = new Set<string>();
  /** When each host has last answered something useful; -Infinity for only failures of its own. */
  readonly #answered = new Map<string, number>();
  readonly #missing: MissingFile[] = [];

  /** The files of the run are known. */
  expect(files: readonly ManifestFile[]): void {
    this.#files = files.length;
    this.#bytes = files.reduce((sum, { size }) => sum + size, 0);
  }

  /** A file was in place already. */
  keep({ size }: ManifestFile): void {
    this.#kept++;
    this.#doneBytes += size;
  }

  /** A file will be missing. */
  miss(file: MissingFile): void {
    this.#missing.push(file);
  }

  /** A download begins. */
  begin(): Transfer {
    let counted = 0;
    let fromNetwork = 0;
    const reached = (total: number, received: number) => {
      this.#doneBytes += total - counted;
      this.#received += received - fromNetwork;
      counted = total;
      fromNetwork = received;
    };
    return {
      reached,
      finish: ({ size }, resumedFrom) => {
        reached(size, fromNetwork);
        this.#fetched++;
        if (resumedFrom > 0) this.#resumed++;
      },
      fail: () => reached(0, fromNetwork),
    };
  }

  /** A call begins. One for a file that was asked for before goes on after its body broke off. */
  requested(url: string): void {
    if (this.#requested.has(url)) this.#retries++;
    this.#requested.add(url);
  }

  /** A request that was not answered well is to be sent once more. */
  retried(): void {
    this.#retries++;
  }

  /** The host of `url` has answered a request. */
  answered(url: string, status: number): void {
    const { origin } = new URL(url);
    const before = this.#answered.get(origin) ?? -Infinity;
    this.#answered.set(origin, status < 500 ? performance.now() : before);
  }

  /** Whether the host of `url` has answered anything yet, whatever it said. */
  hasAnswered(url: URL): boolean {
    return this.#answered.has(url.origin);
  }

  /** Milliseconds since the host of `url` has answered something useful; Infinity for never. */
  sinceUsefulAnswer(url: URL): number {
    return performance.now() - (this.#answered.get(url.origin) ?? -Infinity);
  }

  /** The breaker of an origin has changed its state. */
  breakerChanged({ name = "origin", to }: CircuitStateChange): void {
    if (to === CircuitState.OPEN) this.#trips++;
    if (to === CircuitState.CLOSED) this.#breakers.delete(name);
    else this.#breakers.set(name, to);
  }

  /** A task waits. */
  queued(task: TaskInfo): void {
    this.#waits.queued(task);
  }

  /** It has got its slot. */
  started(task: TaskInfo): void {
    this.#waits.started(task);
    this.#running++;
  }

  /** It has its outcome, perhaps without ever having started. */
  settled(task: TaskInfo): void {
    this.#waits.left(task);
  }

  /** It has given its slot back. */
  ended(): void {
    this.#running--;
  }

  /** Stops the clock. */
  finish(): void {
    this.#end = performance.now();
  }

  /** The state at this moment. */
  snapshot(): Snapshot {
    return {
      files: {
        total: this.#files,
        done: this.#kept + this.#fetched + this.#missing.length,
      },
      bytes: { total: this.#bytes, done: this.#doneBytes },
      received: this.#received,
      elapsed: this.#elapsed(),
      running: this.#running,
      queued: this.#waits.waiting(),
      retries: this.#retries,
      breakers: this.#breakers,
    };
  }

  /** What it came to. */
  summary(workers: number): Summary {
    return {
      files: this.#files,
      kept: this.#kept,
      fetched: this.#fetched,
      resumed: this.#resumed,
      missing: this.#missing,
      bytes: this.#bytes,
      received: this.#received,
      workers,
      elapsed: this.#elapsed(),
      retries: this.#retries,
      trips: this.#trips,
      waits: this.#waits.summary(),
    };
  }

  #elapsed(): number {
    return (this.#end ?? performance.now()) - this.#start;
  }
}
