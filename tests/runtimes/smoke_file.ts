/**
 * Files are Deno's alone: what the smoke suite asks is that the whole package can be imported
 * elsewhere, and that it says so.
 *
 * @module
 */
import * as everything from "../../mod.ts";
import { holds, rejection, same } from "./check.ts";
import type { SmokeCase } from "./smoke.ts";

const {
  asyncCopyFile,
  asyncFileExists,
  asyncHashFile,
  AsyncFileReader,
  AsyncFileWriter,
  AsyncDirectoryWatcher,
  asyncMkdir,
  asyncReadFile,
  asyncUpload,
  asyncWriteFile,
  UnsupportedRuntimeError,
  walkAsync,
} = everything;

/** What holds of files. */
export const fileCases: readonly SmokeCase[] = [
  {
    name: "file: everything that takes a path says that it needs Deno",
    async run(origin) {
      if ("Deno" in globalThis) {
        same(await asyncFileExists("/"), true);
        return;
      }
      const calls = [
        () => asyncReadFile("/file"),
        () => asyncWriteFile("/file", ""),
        () => asyncCopyFile("/file", "/copy"),
        () => asyncFileExists("/file"),
        () => asyncMkdir("/directory"),
        () => asyncHashFile("/file"),
        () => asyncUpload(`${origin}/echo`, "/file"),
        () => walkAsync("/").collect(),
        () => new AsyncFileReader("/file").streamLines().collect(),
        () => new AsyncFileWriter("/file").close(),
        () => new AsyncDirectoryWatcher("/").watch().collect(),
      ];
      for (const call of calls) {
        const error = await rejection(
          Promise.resolve().then(call as () => unknown),
        );
        holds(error instanceof UnsupportedRuntimeError, `${call}: ${error}`);
      }
    },
  },
  {
    name: "telemetry: span() runs its function where nobody listens",
    async run() {
      same(await everything.span("work", { count: 1 }, () => 42), 42);
    },
  },
];
