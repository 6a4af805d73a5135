/**
 * The demo runs, kills a worker, and loses nothing.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { testWithRedis } from "./support/redis.ts";

testWithRedis(
  "demo:cluster ends with every task done, though a worker was killed",
  async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--allow-all",
        new URL("../../examples/cluster.ts", import.meta.url).href,
        new URL("../../runner/", import.meta.url).pathname,
        "30",
      ],
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, text + new TextDecoder().decode(stderr));
    assert(/succeeded +60\n/.test(text), text);
    assert(/failed +0\n/.test(text), text);
    assert(text.includes("killed"), text);
    assert(/HIGH \(count-words\) +\d+\n/.test(text), text);
    assert(/LOW \(hash\) +\d+\n/.test(text), text);
    // Without a terminal there are plain lines.
    assert(!text.includes("\x1b"), text);
  },
);
