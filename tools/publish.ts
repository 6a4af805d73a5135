/**
 * `deno publish`, with the std links out of its way: `deno publish` counts linked packages among the
 * package's own files and refuses those that are not published. Really publishing goes without the
 * links, so that the imports stay `jsr:@std/…`; the dry run, which must work where JSR is not
 * reached, keeps them and lets them count as included.
 *
 * Usage: `deno run --allow-read --allow-write --allow-run=deno tools/publish.ts [--dry-run]`
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

const isDryRun = Deno.args.includes("--dry-run");
const root = new URL("../", import.meta.url);
const config = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", root)),
);
if (isDryRun) {
  for (const link of config.links) {
    config.publish.include.push(`${link.replace(/^\.\//, "")}/`);
  }
} else delete config.links;

// Beside deno.json, since paths in it are relative to it.
const path = new URL(`deno.publish-${Deno.pid}.json`, root);
await Deno.writeTextFile(path, JSON.stringify(config));
try {
  Deno.exitCode = await publish(root, [`--config=${fromFileUrl(path)}`]);
} finally {
  await Deno.remove(path);
}
// The other packages of the workspace import this one, so they follow it. They import nothing of
// std, so the links are in nobody's way.
for (const member of config.workspace) {
  if (Deno.exitCode !== 0) break;
  Deno.exitCode = await publish(new URL(`${member}/`, root), []);
}

async function publish(cwd: URL, args: string[]): Promise<number> {
  const { code } = await new Deno.Command("deno", {
    args: [
      "publish",
      "--quiet",
      "--allow-dirty",
      ...args,
      ...(isDryRun ? ["--dry-run"] : []),
    ],
    cwd,
  }).spawn().status;
  return code;
}
