/**
 * Other processes of a test: workers and submitters, which are ended with it.
 *
 * @module
 */
import type { Place } from "./redis.ts";

/** A process that says things line by line. */
export class Program implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly lines: string[] = [];
  readonly #reading: Promise<void>;
  #waiting: (() => void)[] = [];
  #hasEnded = false;
  readonly #sent = new Set<Deno.Signal>();

  /** Starts `file` (beside this one) under Deno. */
  constructor(
    file: string,
    args: string[],
    env: Record<string, string> = {},
  ) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--quiet",
        "--allow-all",
        new URL(file, import.meta.url).href,
        ...args,
      ],
      env,
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reading = this.#read();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether it was sent a signal by `kill`. */
  wasSent(signal: Deno.Signal): boolean {
    return this.#sent.has(signal);
  }

  kill(signal: Deno.Signal = "SIGKILL"): void {
    this.#sent.add(signal);
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }

  /** Resolves with the first line that begins with `text`. */
  async said(text: string): Promise<string> {
    for (;;) {
      const line = this.lines.find((line) => line.startsWith(text));
      if (line !== undefined) return line;
      if (this.#hasEnded) {
        throw new Error(
          `The program ended without saying ${text}: ${this.lines.join("; ")}`,
        );
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when it has ended. */
  async ended(): Promise<Deno.CommandStatus> {
    await this.#reading;
    return await this.#process.status;
  }

  async #read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
      this.#wake();
    }
    this.#hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.ended();
  }
}

/** How long a worker may take to end. */
const END_WITHIN = 60_000;

/** A worker that a test has not ended must end when it is told to: nothing in it holds its process. */
class WorkerProgram extends Program {
  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded || this.wasSent("SIGKILL")) {
      return await super[Symbol.asyncDispose]();
    }
    // A second one would end it at once.
    if (!this.wasSent("SIGTERM")) this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), END_WITHIN);
    const { code, signal } = await this.ended();
    clearTimeout(timer);
    if (code !== 0) {
      throw new Error(
        `A worker did not end in good order: code ${code}, ${signal}, ` +
          this.lines.join("; "),
      );
    }
  }
}

/** Starts a worker and waits until it takes tasks. */
export async function startWorker(
  place: Place,
  options: Record<string, unknown> = {},
): Promise<Program> {
  const program = new WorkerProgram("./worker.ts", [
    JSON.stringify(place),
    JSON.stringify(options),
  ]);
  await program.said("ready");
  return program;
}
