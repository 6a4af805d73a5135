/**
 * Downloading to a file: resumable, verified, and never half a file under the final name.
 *
 * @module
 */
import { report, UnsupportedRuntimeError } from "../../_internal/errors.ts";
import { checkOptions, show } from "../../_internal/validate.ts";
import { ifThere } from "../../file/errors.ts";
import { publish, syncParent } from "../../file/write/durable.ts";
import { isWindows, toPath } from "../../file/paths.ts";
import { spanUntil } from "../../telemetry/span.ts";
import { asTask } from "../../runner/as_task.ts";
import { checkedChecksum } from "./checksum.ts";
import { AsyncHTTPClient } from "../client.ts";
import {
  DOWNLOAD_CHECKS,
  type DownloadOptions,
  type DownloadResult,
  ProgressReport,
} from "./options.ts";
import { Transfer, type TransferPlan } from "./transfer.ts";
import { ChecksumError } from "../errors/download_error.ts";
import { httpTelemetry } from "../call/telemetry.ts";
import { PartFile } from "./part_file.ts";
import { PartHash } from "./part_hash.ts";
import { redactURL } from "../redact.ts";
import { urlText } from "../request/request.ts";

/**
 * Downloads to `<destination>.part`, then verifies, synchronises and renames it: the destination
 * is the old file, or the whole new one, at any moment. A connection that breaks off is continued
 * where it stopped; so is a `.part` that an earlier call has left, if the server vouches that the
 * file is still the same. Whatever is in doubt begins from zero.
 *
 * @throws {ChecksumError} The bytes are not those that were asked for.
 * @throws {DownloadBusyError} Another download writes to the destination.
 * @throws {DownloadError} The server's answers do not make up a file.
 * @throws {HTTPStatusError} A status other than 2xx.
 * @throws {ResponseTooLargeError} More than `maxBytes`.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, asyncDownload } from "@specify/async-core";
 *
 * await using client = new AsyncHTTPClient({
 *   fetch: () => Promise.resolve(new Response("contents")),
 * });
 * const directory = await Deno.makeTempDir();
 * const { bytes } = await asyncDownload("http://localhost/file", `${directory}/file`, { client });
 * console.log(bytes, await Deno.readTextFile(`${directory}/file`)); // 8 "contents"
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function asyncDownload(
  url: string | URL,
  destination: string | URL,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  if (typeof Deno === "undefined") {
    throw new UnsupportedRuntimeError(
      "asyncDownload()",
      "Elsewhere, read client.stream() and write its chunks with what the runtime offers.",
    );
  }
  const download = new Download(url, destination, options);
  options.signal?.throwIfAborted();
  if (httpTelemetry() === undefined) return await download.run();
  return await spanUntil(options.signal, "file.download", {
    "file.path": toPath("destination", destination),
    "url.full": redactURL(String(url)),
  }, async (current) => {
    const result = await download.run();
    current.setAttribute("file.size", result.bytes);
    return result;
  });
}

/** One download: its checked options, its slot, its part file from the opening to the publication. */
class Download {
  readonly #url: string;
  readonly #destination: string;
  readonly #options: DownloadOptions;
  readonly #checksum: ReturnType<typeof checkedChecksum>;
  readonly #progress: ProgressReport;

  constructor(
    url: string | URL,
    destination: string | URL,
    options: DownloadOptions,
  ) {
    checkOptions("asyncDownload()", options, DOWNLOAD_CHECKS);
    this.#url = urlText(url);
    this.#destination = toPath("destination", destination);
    this.#options = options;
    this.#checksum = checkedChecksum(options.checksum);
    this.#progress = new ProgressReport(options.onProgress);
  }

  async run(): Promise<DownloadResult> {
    const { client: given, overwrite = true } = this.#options;
    await checkDestination(this.#destination, overwrite);
    const client = given ??
      new AsyncHTTPClient({ retryPolicy: {}, timeout: { idle: 30_000 } });
    const part = await PartFile.open(this.#destination);
    try {
      return await this.#schedule(part, client);
    } catch (error) {
      // It may have been given up in the line for a slot, before anything was looked at.
      await cleanUp(part.removeIfEmpty());
      throw error;
    } finally {
      part.close();
      if (client !== given) await client.close();
    }
  }

  /** The whole download is a task, its segments are children of it, which it lends its slot. */
  async #schedule(
    part: PartFile,
    client: AsyncHTTPClient,
  ): Promise<DownloadResult> {
    const { runner, priority, signal } = this.#options;
    if (!runner) {
      return await this.#fetch(
        part,
        client,
        signal,
        (segment) => segment(undefined),
      );
    }
    const name = `download ${redactURL(this.#url)}`;
    return await asTask(
      runner,
      (context) =>
        this.#fetch(
          part,
          client,
          context.signal,
          (segment, name) =>
            asTask(context, ({ signal }) => segment(signal), {
              priority,
              name,
            }),
        ),
      { priority, signal, name },
    );
  }

  async #fetch(
    part: PartFile,
    client: AsyncHTTPClient,
    signal: AbortSignal | undefined,
    run: TransferPlan["run"],
  ): Promise<DownloadResult> {
    const {
      client: _client,
      checksum: _checksum,
      onProgress: _onProgress,
      overwrite: _overwrite,
      resume = true,
      maxBytes = Infinity,
      segments = 1,
      runner,
      ...request
    } = this.#options;
    const hash = new PartHash(this.#checksum?.algorithm ?? "sha256");
    const transfer = new Transfer({
      url: this.#url,
      client,
      part,
      hash,
      // The download itself has its slot: its requests do not queue once more.
      request: runner === undefined ? request : { ...request, runner: false },
      resume,
      maxBytes,
      segments,
      signal,
      run,
      progress: this.#progress,
    });
    try {
      await transfer.fetch();
      const { bytes } = transfer;
      const checksum = await hash.digest(part, bytes, this.#url, signal);
      await this.#publish(part, checksum);
      this.#progress.total = bytes;
      this.#progress.at(bytes, 0);
      return {
        path: this.#destination,
        bytes,
        checksum,
        etag: transfer.etag,
        resumedFrom: transfer.resumedFrom,
        duration: this.#progress.elapsed,
      };
    } catch (error) {
      // What has come stays for a resume, unless none could build on it.
      if (
        transfer.bytes === 0 || (!transfer.isResumable && !signal?.aborted)
      ) await cleanUp(part.remove());
      throw error;
    }
  }

  async #publish(part: PartFile, checksum: string): Promise<void> {
    const { overwrite = true } = this.#options;
    if (this.#checksum !== undefined && checksum !== this.#checksum.value) {
      await cleanUp(part.remove());
      throw new ChecksumError(
        this.#url,
        this.#checksum.algorithm,
        this.#checksum.value,
        checksum,
      );
    }
    await part.file.sync();
    if (overwrite) await publish(part.path, this.#destination, true);
    else {
      // A link fails where a rename would replace what has come there meanwhile.
      await Deno.link(part.path, this.#destination);
      await Deno.remove(part.path);
      await syncParent(this.#destination);
    }
    await part.removeState();
  }
}

/** After a failure, which its own must not hide. */
async function cleanUp(removal: Promise<void>): Promise<void> {
  await removal.catch((error) =>
    report("The unfinished file of a download was not removed", error)
  );
}

/** Refuses, before anything is asked for, a name that no file can be put at. */
async function checkDestination(
  path: string,
  overwrite: boolean,
): Promise<void> {
  if (path.endsWith("/") || isWindows() && path.endsWith("\\")) {
    throw new TypeError(
      `destination must be the path of a file, got ${
        show(path)
      }. Add the file's name.`,
    );
  }
  // What a link leads to counts too: a rename would put the file in place of the link.
  if ((await ifThere(Deno.stat(path)))?.isDirectory) {
    throw new TypeError(
      `destination must be the path of a file, and ${
        show(path)
      } is a directory. Add the file's name.`,
    );
  }
  if (overwrite || await ifThere(Deno.lstat(path)) === undefined) return;
  throw new Deno.errors.AlreadyExists(
    `${path} exists already, and overwrite is false`,
  );
}
