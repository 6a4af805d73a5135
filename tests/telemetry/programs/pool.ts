/** A pool of two: three callers, one that runs out of time, a factory that fails once. */
import { ResourcePool } from "../../../runner/mod.ts";

let calls = 0;
const pool = new ResourcePool({
  maxResources: 2,
  factory: () => {
    if (calls++ === 0) throw new Error("not yet");
    return {};
  },
});
await pool.acquire().catch(() => {});
const first = await pool.acquire();
const second = await pool.acquire();
await pool.acquire({ timeout: 1 }).catch(() => {});
const waiting = pool.acquire();
if (Deno.args[0] === "--held") {
  // The process ends with two leased, and one caller waiting.
  await new Promise((resolve) => setTimeout(resolve, 1));
} else {
  first.release();
  (await waiting).release();
  second.release();
  await pool.close();
}
