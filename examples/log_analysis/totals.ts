/**
 * What log lines come to, added up line by line and file by file.
 *
 * @module
 */

/** What happened in one minute. */
export interface Minute {
  readonly time: string;
  requests: number;
  errors: number;
}

/** The totals of a file, or of many. */
export class Totals {
  lines = 0;
  malformed = 0;
  readonly paths = new Map<string, number>();
  readonly #minutes = new Map<string, Minute>();

  /** Takes in one line: `2026-01-31T12:00:00.000Z GET /path 200 17ms`. */
  add(line: string): void {
    this.lines++;
    const [time = "", , path = "", status = "", duration] = line.split(" ");
    if (duration === undefined) {
      this.malformed++;
      return;
    }
    this.#count(path, 1);
    this.#merge({
      time: time.slice(0, 16),
      requests: 1,
      errors: status >= "500" ? 1 : 0,
    });
  }

  /** Takes in the totals of another file. */
  addAll(other: Totals): void {
    this.lines += other.lines;
    this.malformed += other.malformed;
    for (const [path, count] of other.paths) this.#count(path, count);
    for (const minute of other.#minutes.values()) this.#merge(minute);
  }

  /** The minutes in order. */
  minutes(): Minute[] {
    return [...this.#minutes.values()].sort((a, b) => a.time < b.time ? -1 : 1);
  }

  #count(path: string, count: number): void {
    this.paths.set(path, (this.paths.get(path) ?? 0) + count);
  }

  #merge(other: Minute): void {
    const minute = this.#minutes.get(other.time);
    if (minute === undefined) {
      this.#minutes.set(other.time, other);
      return;
    }
    minute.requests += other.requests;
    minute.errors += other.errors;
  }
}
