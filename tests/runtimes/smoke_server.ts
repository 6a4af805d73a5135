/**
 * The server that the smoke suite asks: it also serves the page and takes its report.
 *
 * @module
 */
import { serve, type TestServer } from "../support/http_servers.ts";
import type { SmokeReport } from "./smoke.ts";

/** A server, and what a page reports to it. */
export interface SmokeServer extends TestServer {
  /** Resolves with the report of a `page` or a `worker`. */
  report(from: "page" | "worker"): Promise<SmokeReport>;
}

/** Serves `script` to pages, and what the cases ask for to all. */
export function serveSmoke(script: string): SmokeServer {
  const reports = {
    page: Promise.withResolvers<SmokeReport>(),
    worker: Promise.withResolvers<SmokeReport>(),
  };
  const attempts = new Map<string, number>();
  const running = new Map<string, { now: number; most: number }>();
  const held = new Set<() => void>();
  const html = (text: string) =>
    new Response(text, { headers: { "content-type": "text/html" } });

  const server = serve(async (request) => {
    const { pathname, search } = new URL(request.url);
    const [, route = "", argument = "", key = ""] = pathname.split("/");
    switch (route) {
      case "page":
        return html('<script type="module" src="/smoke.js"></script>');
      case "worker":
        return html(
          '<script>new Worker("/smoke.js", { type: "module" })</script>',
        );
      case "smoke.js":
        return new Response(script, {
          headers: { "content-type": "text/javascript" },
        });
      case "report":
        reports[search.slice(1) as "page" | "worker"].resolve(
          await request.json(),
        );
        return new Response();
      case "echo":
        return Response.json({
          method: request.method,
          url: request.url,
          test: request.headers.get("x-test"),
          body: await request.text(),
        });
      case "bytes":
        return new Response("a".repeat(Number(argument)));
      case "status":
        return new Response("no", { status: Number(argument) });
      case "redirect":
        return Response.redirect(new URL(`/bytes/${argument}`, request.url));
      case "flaky": {
        const attempt = (attempts.get(key) ?? 0) + 1;
        attempts.set(key, attempt);
        return attempt <= Number(argument)
          ? new Response("later", {
            status: 503,
            headers: { "retry-after": "0" },
          })
          : Response.json({ attempt });
      }
      case "concurrent": {
        const count = running.get(argument) ?? { now: 0, most: 0 };
        running.set(argument, count);
        count.most = Math.max(count.most, ++count.now);
        await new Promise((resolve) => setTimeout(resolve, 10));
        count.now--;
        return Response.json({ most: count.most });
      }
      case "never":
        await new Promise<void>((resolve) => held.add(resolve));
        return new Response();
      case "stall":
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode("begun"));
              const close = () => {
                held.delete(close);
                try {
                  controller.close();
                } catch {
                  // The client has gone, and its stream with it.
                }
              };
              held.add(close);
            },
          }),
        );
      default:
        return new Response("unknown", { status: 404 });
    }
  });
  return {
    ...server,
    report: (from) => reports[from].promise,
    async [Symbol.asyncDispose]() {
      for (const end of held) end();
      await server[Symbol.asyncDispose]();
    },
  };
}
