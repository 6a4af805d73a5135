/**
 * Asks by a call and uploads, under each of the environments given as JSON, and prints through
 * which proxies: "target" for none. Run as a process of its own, whose environment is nobody else's.
 *
 * @module
 */
import { AsyncHTTPClient, asyncUpload } from "../../http/mod.ts";
import { serve } from "./http_servers.ts";
import { serveProxy } from "./http_proxy.ts";

const NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];

await using target = serve(async (request) => {
  const length = request.headers.get("content-length");
  return new Response(`${length} ${(await request.bytes()).length}`);
});
await using proxy = serveProxy();
await using other = serveProxy();
const results: unknown[] = [];
for (const { own, host, ...environment } of JSON.parse(Deno.args[0] ?? "[]")) {
  for (const name of [...NAMES, "REQUEST_METHOD"]) {
    Deno.env.delete(name);
    Deno.env.delete(name.toLowerCase());
  }
  for (const name in environment) {
    Deno.env.set(
      name,
      environment[name].replace("PROXY", proxy.url).replace("OTHER", other.url)
        .replace("BARE", proxy.url.slice("http://".length)),
    );
  }
  const url = target.url.replace("127.0.0.1", host ?? "127.0.0.1");
  const routes: string[] = [];
  const lengths: string[] = [];
  for (const how of ["call", "upload"]) {
    await using client = new AsyncHTTPClient({
      ...(own ? { transport: { proxy: { url: other.url } } } : undefined),
    });
    const before = [proxy.heads.length, other.heads.length];
    const bytes = new Uint8Array(300_000);
    const response = how === "call"
      ? await client.put(url, { body: bytes })
      : await asyncUpload(url, bytes, { client });
    lengths.push(await response.text());
    routes.push(
      proxy.heads.length > before[0]!
        ? "proxy"
        : other.heads.length > before[1]!
        ? "other"
        : "target",
    );
  }
  results.push({ routes, lengths });
}
console.log(JSON.stringify(results));
