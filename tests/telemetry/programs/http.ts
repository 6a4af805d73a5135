/** Calls in a scope: one that is retried, one that fails, one whose circuit opens, one cancelled. */
import { AsyncHTTPClient, CircuitBreaker } from "../../../http/mod.ts";
import { AsyncRunner, TaskPriority } from "../../../runner/mod.ts";

let busy = true;
const silence = Promise.withResolvers<Response>();
await using server = Deno.serve(
  { port: 0, hostname: "127.0.0.1", onListen() {} },
  (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/down") return new Response("down", { status: 500 });
    if (pathname === "/missing") return new Response("no", { status: 404 });
    if (pathname === "/moved") {
      return new Response(null, {
        status: 302,
        headers: { location: "/fine?key=SECRET" },
      });
    }
    if (pathname === "/silent") return silence.promise;
    const status = busy ? 503 : 200;
    busy = false;
    return new Response("answer", { status });
  },
);
const base = `http://user:SECRET@127.0.0.1:${server.addr.port}`;
await using client = new AsyncHTTPClient({
  retryPolicy: { maxRetries: 2, baseDelay: 5, jitter: "none" },
  circuitBreaker: CircuitBreaker.perOrigin({ failureThreshold: 4 }),
});
await using runner = new AsyncRunner({ maxWorkers: 2 });
const query = { token: "SECRET" };

await runner.scope(async (scope) => {
  await scope.submit(
    async () => await client.get(`${base}/fine`, { query }).text(),
    { name: "retried", priority: TaskPriority.HIGH },
  );
  const missing = await client.request("PURGE", `${base}/missing`, { query });
  await missing.text();
  await scope.submit(
    async () =>
      await client.post(`${base}/moved`, { query, json: { a: 1 }, runner })
        .bytes(),
    { name: "moved" },
  );
  await scope.submit(
    async () => {
      const { signal, abort } = cancellation();
      const call = client.get(`${base}/silent`, { query, signal });
      setTimeout(abort, 20);
      await call.catch(() => {});
    },
    { name: "given up" },
  );
  await scope.submit(
    async () => {
      await client.get(`${base}/down`, { query }).text().catch(() => {});
      await client.get(`${base}/down`, { query }).text().catch(() => {});
    },
    { name: "down" },
  );
});
const refused = await client.get("http://127.0.0.1:9/?token=SECRET").text()
  .catch((error) => error.name);
console.log(refused);
silence.resolve(new Response());

function cancellation() {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: () => controller.abort(new Error("no longer wanted")),
  };
}
