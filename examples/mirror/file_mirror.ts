/**
 * One file: kept if it is in place, else fetched, checked and put in place.
 *
 * @module
 */
import { delay } from "@std/async";
import { dirname, join } from "@std/path";
import {
  asyncDownload,
  asyncHashFile,
  type AsyncHTTPClient,
  asyncMkdir,
  CircuitOpenError,
} from "../../mod.ts";
import { because } from "./bad_input.ts";
import type { ManifestFile } from "./manifest.ts";
import { couldServe, mayPass } from "./servable.ts";
import type { Tally } from "./tally.ts";

/** A file that fails by itself so many times is given up. */
const mostFailures = 3;
/** A host that has answered nothing useful for so many milliseconds is given up. */
const patience = 10_000;
/** Milliseconds before a file is tried again, at least. */
const leastPause = 100;

/** Where from, where to, with what. */
export interface FileMirrorOptions {
  readonly origin: URL;
  readonly folder: string;
  readonly client: AsyncHTTPClient;
  readonly tally: Tally;
}

/** Brings files into a folder, one at each call. */
export class FileMirror {
  readonly #options: FileMirrorOptions;
  /** The paths that were not in place. */
  readonly wanted = new Set<string>();

  constructor(options: FileMirrorOptions) {
    this.#options = options;
  }

  /** Brings one file. What goes wrong with it is told to the tally; only an abort rejects. */
  async bring(file: ManifestFile, signal: AbortSignal): Promise<void> {
    const { origin, folder, tally } = this.#options;
    const target = join(folder, ...file.path.split("/"));
    const url = new URL(
      file.url ?? file.path.split("/").map(encodeURIComponent).join("/"),
      origin,
    );
    try {
      if (await isInPlace(target, file, signal)) {
        tally.keep(file);
        return;
      }
      this.wanted.add(file.path);
      await this.#insist(url, target, file, signal);
    } catch (error) {
      signal.throwIfAborted();
      tally.miss({
        path: file.path,
        reason: because(error),
        servable: couldServe(error, tally.hasAnswered(url)),
      });
    }
  }

  /**
   * Fetches, and again when that may help. A circuit breaker guards a host, not a file: one bad
   * file, or a short trouble, must not make all those miss that come while it is open.
   */
  async #insist(
    url: URL,
    target: string,
    file: ManifestFile,
    signal: AbortSignal,
  ): Promise<void> {
    for (let failures = 0;;) {
      try {
        return await this.#fetch(url, target, file, signal);
      } catch (error) {
        signal.throwIfAborted();
        const turnedAway = error instanceof CircuitOpenError;
        if (!turnedAway) failures++;
        if (
          failures === mostFailures || !mayPass(error) ||
          this.#options.tally.sinceUsefulAnswer(url) > patience
        ) throw error;
        const pause = turnedAway ? error.retryAfter : 0;
        await delay(Math.max(pause, leastPause), { signal });
      }
    }
  }

  async #fetch(
    url: URL,
    target: string,
    file: ManifestFile,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, tally } = this.#options;
    await asyncMkdir(dirname(target), { parents: true });
    const progress = tally.begin();
    try {
      const { bytes, resumedFrom } = await asyncDownload(url, target, {
        client,
        resume: true,
        overwrite: true,
        checksum: file.sha256,
        maxBytes: file.size,
        onProgress: ({ bytes, received }) => progress.reached(bytes, received),
        signal,
      });
      if (bytes !== file.size) {
        await Deno.remove(target);
        throw new Error(
          `it has ${bytes} bytes, and the manifest says ${file.size}`,
        );
      }
      progress.finish(file, resumedFrom);
    } catch (error) {
      progress.fail();
      throw error;
    }
  }
}

async function isInPlace(
  target: string,
  { size, sha256 }: ManifestFile,
  signal: AbortSignal,
): Promise<boolean> {
  const info = await Deno.stat(target).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  return info !== undefined && info.isFile && info.size === size &&
    await asyncHashFile(target, { signal }) === sha256;
}
