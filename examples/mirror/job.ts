/**
 * The job itself: every file of a manifest into a folder, through one runner.
 *
 * @module
 */
import {
  AsyncHTTPClient,
  asyncMkdir,
  AsyncRunner,
  CircuitBreaker,
  HTTPStatusError,
  InvalidRequestError,
  RetryError,
  RetryPolicy,
  TaskPriority,
  withRetry,
} from "../../mod.ts";
import { BadInputError, because } from "./bad_input.ts";
import { FileMirror } from "./file_mirror.ts";
import { type Manifest, type ManifestFile, parseManifest } from "./manifest.ts";
import type { Display, Snapshot } from "./progress.ts";
import type { Summary } from "./report.ts";
import { Tally } from "./tally.ts";

/** Up to so many bytes a file is small, and goes first. */
const small = 64 * 1024;
/** From so many bytes on it is large, and goes last. */
const large = 1024 * 1024;

/** A manifest is held in memory: more than this is none. Some hundred thousand files need less. */
const largestManifest = 64 * 1024 * 1024;

/** What is to be mirrored, and how. */
export interface MirrorOptions {
  readonly origin: URL;
  readonly folder: string;
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Only these paths. @default {all} */
  readonly only?: ReadonlySet<string>;
  /** Starts showing what is going on. */
  readonly display: (read: () => Snapshot) => Display;
}

/** What a run came to. */
export interface MirrorResult {
  readonly summary: Summary;
  /** The paths that were not in place before. */
  readonly wanted: ReadonlySet<string>;
}

/**
 * Brings `folder` to the state of the manifest at `origin`.
 *
 * @throws {BadInputError} When there is no manifest at the origin, or no folder to write to.
 */
export async function mirrorTree(
  { origin, folder, workers, signal, only, display }: MirrorOptions,
): Promise<MirrorResult> {
  const tally = new Tally();
  await using client = new AsyncHTTPClient({
    timeout: { attempt: 2000, idle: 5000 },
    retryPolicy: new RetryPolicy({ maxRetries: 4, baseDelay: 100 }),
    circuitBreaker: CircuitBreaker.perOrigin({
      failureThreshold: 3,
      recoveryTimeout: 1000,
      onStateChange: (change) => tally.breakerChanged(change),
    }),
    hooks: {
      beforeRequest: ({ request }) => tally.requested(request.url),
      beforeRetry: () => tally.retried(),
      afterResponse: ({ request, response }) =>
        tally.answered(request.url, response.status),
    },
    signal,
  });
  await using runner = new AsyncRunner({
    maxWorkers: workers,
    observer: tally,
    signal,
  });
  const manifest = await runner.submit(
    (context) =>
      fetchManifest(client, new URL("manifest.json", origin), context.signal),
    { name: "manifest.json", priority: TaskPriority.CRITICAL },
  );
  const files = manifest.files.filter(({ path }) => only?.has(path) ?? true);
  await prepareFolder(folder);
  tally.expect(files);
  const shown = display(() => tally.snapshot());
  try {
    const mirror = new FileMirror({ origin, folder, client, tally });
    // Nothing that is started here outlives the scope; an interruption ends it as a whole.
    await runner.scope(async (scope) => {
      await Promise.all(files.map((file) =>
        scope.submit(
          (context) => mirror.bring(file, context.signal),
          { name: file.path, priority: priorityOf(file) },
        )
      ));
    });
    tally.finish();
    return { summary: tally.summary(workers), wanted: mirror.wanted };
  } finally {
    shown.stop();
  }
}

function priorityOf({ size }: ManifestFile): TaskPriority {
  if (size <= small) return TaskPriority.HIGH;
  return size < large ? TaskPriority.NORMAL : TaskPriority.LOW;
}

async function fetchManifest(
  client: AsyncHTTPClient,
  url: URL,
  signal: AbortSignal,
): Promise<Manifest> {
  const policy = new RetryPolicy({
    // Somebody waits for the answer: two more attempts are enough to know.
    maxRetries: 2,
    baseDelay: 100,
    retryOn: ({ error }) =>
      !(error instanceof InvalidRequestError) &&
      (!(error instanceof HTTPStatusError) || error.status >= 500),
  });
  // As a stream: a long manifest may take its time, as long as it does not stall.
  const text = await withRetry(
    () =>
      new Response(
        client.get(url, {
          retryPolicy: false,
          maxResponseBytes: largestManifest,
        }).stream().toReadableStream(),
      ).text(),
    policy,
    { signal },
  ).catch((error: unknown) => {
    if (signal.aborted) throw error;
    const last = error instanceof RetryError ? error.cause : error;
    throw new BadInputError(
      last instanceof HTTPStatusError
        ? `The origin has no manifest: ${url} answers ${last.status}.`
        : `The origin ${url.origin} does not answer with a manifest: ${
          because(error)
        }`,
      { cause: error },
    );
  });
  return parseManifest(text, url.href);
}

/** Makes the folder and finds out whether it can be written to, before anything is fetched. */
async function prepareFolder(folder: string): Promise<void> {
  try {
    await asyncMkdir(folder, { parents: true });
    await Deno.remove(await Deno.makeTempFile({ dir: folder }));
  } catch (error) {
    throw new BadInputError(
      `The folder ${folder} cannot be written to: ${because(error)}`,
      { cause: error },
    );
  }
}
