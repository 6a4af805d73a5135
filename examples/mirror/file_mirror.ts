/**
 * One file: kept if it is in place, else fetched, checked and put in place.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import {
  asyncDownload,
  asyncHashFile,
  type AsyncHTTPClient,
  asyncMkdir,
} from "../../mod.ts";
import { because } from "./bad_input.ts";
import type { ManifestFile } from "./manifest.ts";
import { couldServe } from "./servable.ts";
import type { Tally } from "./tally.ts";

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
      await this.#fetch(url, target, file, signal);
    } catch (error) {
      signal.throwIfAborted();
      tally.miss({
        path: file.path,
        reason: because(error),
        servable: couldServe(error, tally.hasAnswered(url)),
      });
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
      const { resumedFrom } = await asyncDownload(url, target, {
        client,
        resume: true,
        overwrite: true,
        checksum: file.sha256,
        onProgress: ({ bytes, received }) => progress.reached(bytes, received),
        signal,
      });
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
