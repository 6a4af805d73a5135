/**
 * What must hold around every call that fails or is given up: nothing of it is left.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { idleTimers, timers } from "../../_internal/timer_queue.ts";
import type { HTTPClientStats } from "../../http/mod.ts";
import { until } from "./real_time.ts";

/** A client that nobody uses. */
const NOTHING: HTTPClientStats = { calls: 0, connections: 0, waiting: 0 };

/**
 * Asserts that the client has no call, no connection's place and no timer, now; and that the
 * server's sockets are closed, of which it hears a moment later. For a server that keeps its
 * sockets for as long as the client does.
 */
export async function assertNothingLeft(
  client: { readonly stats: HTTPClientStats },
  server?: { readonly open: number },
): Promise<void> {
  assertEquals(client.stats, NOTHING);
  assertEquals([timers.size, idleTimers.size], [0, 0]);
  if (server === undefined) return;
  await until(() => server.open === 0, "the end of the sockets");
}
