/**
 * Writes logs to analyse: a day's requests of some servers, with a bad quarter of an hour.
 *
 * @module
 */
import { AsyncFileWriter, asyncMkdir } from "../../mod.ts";

const paths = ["/", "/cart", "/search", "/item/17", "/login"];
const day = Date.UTC(2026, 0, 31);

/** Writes `servers` files of `lines` lines each below `directory`. The same at each call. */
export async function generateLogs(
  directory: string,
  servers: number,
  lines: number,
  signal?: AbortSignal,
): Promise<void> {
  for (let server = 0; server < servers; server++) {
    await asyncMkdir(`${directory}/server-${server}`, { parents: true });
    const path = `${directory}/server-${server}/access.log`;
    await using writer = new AsyncFileWriter(path, { signal });
    await writer.writeLines(logLines(server, lines));
  }
}

function* logLines(server: number, lines: number): Generator<string> {
  let random = server + 1;
  for (let n = 0; n < lines; n++) {
    random = random * 48271 % 2147483647; // minstd: always the same numbers
    const time = Math.floor(n * 86_400_000 / lines);
    const minute = time / 60_000;
    const isBad = minute >= 720 && minute < 735 && random % 3 === 0;
    const status = isBad ? 503 : random % 97 === 0 ? 404 : 200;
    const path = paths[random % paths.length];
    const duration = isBad ? 900 + random % 500 : 5 + random % 80;
    yield `${
      new Date(day + time).toISOString()
    } GET ${path} ${status} ${duration}ms`;
    if (n % 1000 === 999) yield "-- rotated --"; // what is no request is counted, not fatal
  }
}
