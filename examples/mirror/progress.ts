/**
 * What is going on, while it goes on: bars on a terminal, plain lines elsewhere. Both only read
 * a snapshot now and then; the work does not wait for them.
 *
 * @module
 */
import cliProgress from "cli-progress";
import { formatBytes, formatDuration } from "./format.ts";

/** The state of the work at one moment. */
export interface Snapshot {
  /** Files in all, and those that need nothing more. */
  readonly files: { readonly total: number; readonly done: number };
  /** Bytes in all, and those that are in place (kept ones included). */
  readonly bytes: { readonly total: number; readonly done: number };
  /** Bytes that came over the network. */
  readonly received: number;
  /** Milliseconds since the start. */
  readonly elapsed: number;
  /** Tasks that run now. */
  readonly running: number;
  /** Tasks that wait, by the name of their level. */
  readonly queued: ReadonlyMap<string, number>;
  /** Attempts beyond the first. */
  readonly retries: number;
  /** Origins whose circuit breaker is not closed, with its state. */
  readonly breakers: ReadonlyMap<string, string>;
}

/** Shows snapshots until it is stopped. */
export interface Display {
  /** Shows the last snapshot and leaves the terminal as it was. */
  stop(): void;
}

/** Starts the display that fits where the text goes: stderr, so that stdout is only the report. */
export function startDisplay(read: () => Snapshot): Display {
  return Deno.stderr.isTerminal()
    ? new BarDisplay(read)
    : new LineDisplay(read);
}

/** A file costs round trips whatever its size; as many as so many bytes cost. */
const fileCost = 256 * 1024;

/** Bytes a second, and the milliseconds that the rest takes at that speed. */
function speed({ files, bytes, received, elapsed }: Snapshot): {
  rate: number;
  eta: number;
} {
  const done = bytes.done + files.done * fileCost;
  const total = bytes.total + files.total * fileCost;
  return {
    rate: elapsed > 0 ? received / elapsed * 1000 : 0,
    eta: done === 0 ? Infinity : (total - done) * elapsed / done,
  };
}

function activity({ running, queued, retries, breakers }: Snapshot): string {
  const waiting = [...queued].filter(([, count]) => count > 0)
    .map(([level, count]) => `${level.toLowerCase()} ${count}`);
  const open = [...breakers].map(([origin, state]) => `${origin} ${state}`);
  return [
    `running ${running}`,
    `queued ${waiting.length === 0 ? "none" : waiting.join(", ")}`,
    `retries ${retries}`,
    `breakers ${open.length === 0 ? "closed" : open.join(", ")}`,
  ].join(" | ");
}

class LineDisplay implements Display {
  readonly #read: () => Snapshot;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(read: () => Snapshot) {
    this.#read = read;
    this.#timer = setInterval(() => this.#line(), 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#line();
  }

  #line(): void {
    const snapshot = this.#read();
    const { files, bytes } = snapshot;
    const { rate, eta } = speed(snapshot);
    const done = files.done === files.total;
    console.error(
      `${files.done}/${files.total} files, ${formatBytes(bytes.done)} of ${
        formatBytes(bytes.total)
      }, ${formatBytes(rate)}/s, ${
        done ? "done" : `${formatDuration(eta)} left`
      } | ${activity(snapshot)}`,
    );
  }
}

// cli-progress comes without types; these are the parts that are used here.
interface Bar {
  setTotal(total: number): void;
  update(value: number, payload: Record<string, string>): void;
}
interface MultiBar {
  create(
    total: number,
    value: number,
    payload: Record<string, string>,
    options: { format: string },
  ): Bar;
  stop(): void;
}

class BarDisplay implements Display {
  readonly #read: () => Snapshot;
  readonly #bars: MultiBar;
  readonly #files: Bar;
  readonly #bytes: Bar;
  readonly #activity: Bar;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(read: () => Snapshot) {
    this.#read = read;
    this.#bars = new cliProgress.MultiBar({
      hideCursor: true,
      clearOnComplete: false,
      stopOnComplete: false,
      linewrap: false,
      // Ctrl-C is the program's own: it ends the work first and stops the display then.
      gracefulExit: false,
      barsize: 30,
    }, cliProgress.Presets.shades_classic) as MultiBar;
    this.#files = this.#bars.create(1, 0, { text: "" }, {
      format: "files {bar} {text}",
    });
    this.#bytes = this.#bars.create(1, 0, { text: "" }, {
      format: "bytes {bar} {text}",
    });
    this.#activity = this.#bars.create(1, 0, { text: "" }, {
      format: "{text}",
    });
    this.#timer = setInterval(() => this.#show(), 100);
    // A second Ctrl-C exits at once: the cursor must not stay hidden.
    addEventListener("unload", this.#showCursor);
    this.#show();
  }

  stop(): void {
    clearInterval(this.#timer);
    removeEventListener("unload", this.#showCursor);
    this.#show();
    this.#bars.stop();
  }

  readonly #showCursor = () => this.#bars.stop();

  #show(): void {
    const snapshot = this.#read();
    const { files, bytes } = snapshot;
    const { rate, eta } = speed(snapshot);
    const done = files.done === files.total;
    this.#files.setTotal(Math.max(1, files.total));
    this.#files.update(files.done, {
      text: `${files.done}/${files.total}  ${
        done ? "done" : `${formatDuration(eta)} left`
      }`,
    });
    this.#bytes.setTotal(Math.max(1, bytes.total));
    this.#bytes.update(bytes.done, {
      text: `${formatBytes(bytes.done)} of ${formatBytes(bytes.total)}  ${
        formatBytes(rate)
      }/s`,
    });
    this.#activity.update(0, { text: activity(snapshot) });
  }
}
