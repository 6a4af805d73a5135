/**
 * What was done, as a table, and which files are missing and why.
 *
 * @module
 */
import Table from "cli-table3";
import { formatBytes, formatDuration } from "./format.ts";

/** A file that is not in the mirror. */
export interface MissingFile {
  readonly path: string;
  /** What happened, in one line. */
  readonly reason: string;
  /** Whether the origin could have served it: then the mirror is wrong. */
  readonly servable: boolean;
}

/** How long the tasks of one level waited for a slot, in milliseconds. */
export interface WaitTime {
  readonly level: string;
  readonly tasks: number;
  readonly median: number;
  readonly longest: number;
}

/** What one run came to. */
export interface Summary {
  readonly files: number;
  /** Files that were there already, with the right SHA-256. */
  readonly kept: number;
  readonly fetched: number;
  /** Of those fetched, how many went on from a part that was there. */
  readonly resumed: number;
  readonly missing: readonly MissingFile[];
  /** Length of the whole tree. */
  readonly bytes: number;
  /** What came over the network. */
  readonly received: number;
  readonly workers: number;
  /** Milliseconds from the first request to the last file. */
  readonly elapsed: number;
  readonly retries: number;
  readonly trips: number;
  readonly waits: readonly WaitTime[];
}

/** The same work done by one worker. */
export interface Sequential {
  /** Milliseconds it took; undefined when it was not measured. */
  readonly elapsed: number | undefined;
  /** How it was measured, or why not. */
  readonly how: string;
}

/** The report as text. */
export function formatReport(
  summary: Summary,
  sequential: Sequential,
): string {
  const { kept, fetched, missing } = summary;
  const table = new Table({ style: { head: [], border: [] } });
  table.push(
    [
      "files",
      `${summary.files} (fetched ${fetched}, resumed ${summary.resumed}, ` +
      `kept ${kept}, missing ${missing.length})`,
    ],
    [
      "bytes",
      `${formatBytes(summary.bytes)} (received ${
        formatBytes(summary.received)
      })`,
    ],
    [
      "time",
      `${formatDuration(summary.elapsed)} with ${summary.workers} workers`,
    ],
    [
      "sequential time",
      sequential.elapsed === undefined
        ? sequential.how
        : `${formatDuration(sequential.elapsed)} (${sequential.how})`,
    ],
    [
      "ratio",
      sequential.elapsed === undefined
        ? "-"
        : `${(sequential.elapsed / summary.elapsed).toFixed(1)}x`,
    ],
    ["retries", String(summary.retries)],
    ["breaker trips", String(summary.trips)],
    ...summary.waits.map(({ level, tasks, median, longest }) => [
      `waited, ${level.toLowerCase()}`,
      `median ${formatDuration(median)}, longest ${
        formatDuration(longest)
      } (${tasks} ${tasks === 1 ? "task" : "tasks"})`,
    ]),
  );
  const lines = [table.toString()];
  for (const { path, reason, servable } of missing) {
    lines.push(
      `${
        servable ? "missing" : "not served by its origin"
      }: ${path}: ${reason}`,
    );
  }
  return lines.join("\n");
}

/** 1 if anything that the origin could serve is missing. */
export function exitCode({ missing }: Summary): 0 | 1 {
  return missing.some(({ servable }) => servable) ? 1 : 0;
}
