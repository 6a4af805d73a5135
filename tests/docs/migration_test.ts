/**
 * docs/MIGRATION.md says of every name of Python's async_core what it is here.
 *
 * @module
 */
import { assert } from "@std/assert";
import * as core from "../../mod.ts";
import { testWith } from "../support/permissions.ts";

/** Every name that the source document lists, module by module. */
const NAMES = [
  ...["AsyncRunner", "TaskScheduler", "ResourcePool", "TaskPriority"],
  ...["async_run", "async_timeout", "async_background"],
  ...["AsyncStream", "AsyncQueue", "AsyncPipeline", "async_map"],
  ...["async_filter", "async_batch", "async_window", "async_merge"],
  ...["AsyncHTTPClient", "RetryPolicy", "CircuitBreaker", "CircuitState"],
  ...["async_download", "async_upload", "async_batch_requests"],
  ...["AsyncFileReader", "AsyncFileWriter", "AsyncDirectoryWatcher"],
  ...["async_read_file", "async_write_file", "async_copy_file", "walk_async"],
  ...["async_file_exists", "async_mkdir", "span"],
];

testWith(
  ["read"],
  "docs/MIGRATION.md has each name of async_core, and what it says for it is exported",
  async () => {
    const page = await Deno.readTextFile(
      new URL("../../docs/MIGRATION.md", import.meta.url),
    );
    const [, after = ""] = page.split("\nLine by line");
    const [table = ""] = after.split("\n## ");
    for (const name of NAMES) {
      const here = name.replace(/_(.)/g, (_, first) => first.toUpperCase());
      const has = (word: string) => new RegExp(`\\b${word}\\b`).test(table);
      assert(has(name) && has(here), `${name} is not in MIGRATION.md`);
      assert(here in core, `${here} is not exported`);
    }
  },
);
