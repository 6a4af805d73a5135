// deno-lint-ignore-file no-import-prefix -- the pin lives here, beside the only import of it
/**
 * `testing/time.js` of npm:deno-std names a folder that the package has under another name
 * (`data-structures` for `data_structures`), so importing it fails in every release up to 1.4.0.
 * This loads the very same text with that name put right.
 *
 * @module
 */
import source from "npm:deno-std@1.3.0/testing/time.js" with { type: "text" };

const text = source
  .replaceAll("../data-structures/", "npm:deno-std@1.3.0/data_structures/")
  .replace("./_time.js", "npm:deno-std@1.3.0/testing/_time.js");

export const { FakeTime, TimeError } = await import(
  "data:text/javascript," + encodeURIComponent(text)
);
