/**
 * What must hold in every runtime, in plain assertions: bundled into one file, this runs in Node,
 * Bun and browsers. No test framework, no `using` (not every runtime parses it), nothing of Deno.
 *
 * @module
 */
import { fileCases } from "./smoke_file.ts";
import { httpCases } from "./smoke_http.ts";
import { runnerCases } from "./smoke_runner.ts";
import { streamCases } from "./smoke_streams.ts";

/** One thing that must hold. */
export interface SmokeCase {
  readonly name: string;
  /** Rejects when it does not hold. `origin` is a server's, without a slash at the end. */
  run(origin: string): void | Promise<void>;
}

/** What happened. */
export interface SmokeReport {
  readonly passed: string[];
  readonly failed: { readonly name: string; readonly error: string }[];
}

/** A case that takes longer hangs. */
const LIMIT = 60_000;

/** Runs every case, one after the other. */
export async function runSmoke(origin: string): Promise<SmokeReport> {
  const report: SmokeReport = { passed: [], failed: [] };
  const cases = [...runnerCases, ...streamCases, ...httpCases, ...fileCases];
  for (const { name, run } of cases) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await Promise.race([
        run(origin),
        new Promise((_, reject) => {
          timer = setTimeout(
            () => reject(new Error(`hangs for ${LIMIT} ms`)),
            LIMIT,
          );
        }),
      ]);
      report.passed.push(name);
    } catch (error) {
      const text = error instanceof Error
        ? `${error.name}: ${error.message}\n${error.stack}`
        : String(error);
      report.failed.push({ name, error: text });
    } finally {
      clearTimeout(timer);
    }
  }
  return report;
}
