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

  kill(signal: Deno.Signal = "SIGKILL"): void {
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

/** Starts a worker and waits until it takes tasks. */
export async function startWorker(
  place: Place,
  options: Record<string, unknown> = {},
): Promise<Program> {
  const program = new Program("./worker.ts", [
    JSON.stringify(place),
    JSON.stringify(options),
  ]);
  await program.said("ready");
  return program;
}
