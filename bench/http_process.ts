/**
 * Starts bench/http_server.ts.
 *
 * @module
 */

/** Starts the server; it ends with this process. Resolves to its address. */
export async function startServer(): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-net",
      "--no-check",
      new URL("./http_server.ts", import.meta.url).href,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  child.unref();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return `http://127.0.0.1:${new TextDecoder().decode(value).trim()}`;
}
