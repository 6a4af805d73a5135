/**
 * The runtime layer: input and output, and nothing else. Only this file knows of HTTP and files.
 *
 * @module
 */
import { AsyncHTTPClient, asyncWriteFile } from "../../mod.ts";

/** A repository, as the API describes it. */
export interface Repository {
  readonly name: string;
  readonly stars: number;
  readonly archived: boolean;
}

/** What the operations need from the outside world. */
export interface Runtime extends AsyncDisposable {
  fetchRepositories(owner: string, signal: AbortSignal): Promise<Repository[]>;
  writeReport(path: string, text: string, signal: AbortSignal): Promise<void>;
}

/** The real one. */
export function createRuntime(baseUrl: string): Runtime {
  const client = new AsyncHTTPClient({
    baseUrl,
    timeout: { attempt: 2_000, total: 10_000 },
    retryPolicy: { maxRetries: 3, baseDelay: 50 },
    maxResponseBytes: 10_000_000,
  });
  return {
    fetchRepositories: (owner, signal) =>
      client.get(`users/${encodeURIComponent(owner)}/repos`, { signal }).json(),
    writeReport: (path, text, signal) =>
      asyncWriteFile(path, text, { atomic: true, signal }),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}
