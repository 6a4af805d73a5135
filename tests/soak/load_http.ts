/**
 * Random requests to a server that misbehaves.
 *
 * @module
 */
import { asyncDownload, AsyncHTTPClient, RetryPolicy } from "../../http/mod.ts";
import { holds, type Load, pause, Random } from "./load.ts";

const CANCELLED = new Error("no longer wanted by the soak");

/** How often each message has arrived. */
const arrived = new Map<string, number>();

/** The body of `/body/<bytes>`: the same for the same length. */
export function bodyOf(length: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(length);
  for (let index = 0; index < length; index++) body[index] = index * 31 % 251;
  return body;
}

/** The server: one answer in four is late, refused, cut off, or never comes. */
export function serveFaults(seed: number): Deno.HttpServer<Deno.NetAddr> {
  const random = new Random(seed);
  return Deno.serve(
    {
      port: 0,
      hostname: "127.0.0.1",
      onListen() {},
      onError: () => new Response("", { status: 500 }),
    },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (request.method === "POST") {
        const key = await request.text();
        arrived.set(key, (arrived.get(key) ?? 0) + 1);
        return new Response(key);
      }
      const body = bodyOf(Number(pathname.split("/").at(-1)));
      const headers = {
        etag: `"${body.byteLength}"`,
        "content-length": String(body.byteLength),
      };
      const fault = random.next();
      if (fault < 0.08) return new Response("busy", { status: 503 });
      if (fault < 0.12) await pause(random.integer(1, 30));
      if (fault < 0.16) await pause(80);
      if (fault < 0.22) {
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(body.subarray(0, body.byteLength >> 1));
            },
            pull(controller) {
              controller.error(new Error("cut off by the soak"));
            },
          }),
          { headers },
        );
      }
      return new Response(body, { headers });
    },
  );
}

function isExpected(error: unknown): boolean {
  if (error === CANCELLED) return true;
  const { name } = error as Error;
  return name === "HTTPStatusError" || name === "TimeoutError" ||
    name === "NetworkError" || name === "RetryError" ||
    name === "DownloadError";
}

/** Calls: each gives the whole body, or fails for a reason; the client is empty afterwards. */
export const requests: Load = async (random, { origin, runner, signal }) => {
  const client = new AsyncHTTPClient({
    baseUrl: origin,
    maxConnections: random.integer(1, 6),
    timeout: { attempt: 60, total: 2_000 },
    retryPolicy: new RetryPolicy({ maxRetries: 4, baseDelay: 1, maxDelay: 4 }),
    signal,
    ...(random.chance(0.5) ? { runner } : {}),
    ...(random.chance(0.3) ? { hedge: { delay: 10 } } : {}),
  });
  const call = async (): Promise<void> => {
    const length = random.integer(0, 3) === 0
      ? random.integer(1, 100_000)
      : random.integer(1, 500);
    const own = new AbortController();
    const timer = random.chance(0.15)
      ? setTimeout(() => own.abort(CANCELLED), random.integer(0, 20))
      : undefined;
    try {
      const options = { signal: own.signal };
      if (random.chance(0.15)) {
        const key = crypto.randomUUID();
        const pending = client.post("message", {
          ...options,
          body: key,
          sendOnce: true,
        }).text();
        const failure = await pending.then((text) => {
          holds(text === key, "the answer is to this message");
          holds(arrived.get(key) === 1, "a message arrives once");
        }, (error: unknown) => error);
        holds((arrived.get(key) ?? 0) <= 1, "no message arrives twice");
        arrived.delete(key);
        if (failure !== undefined) throw failure;
        return;
      }
      let got: Uint8Array;
      if (random.chance(0.3)) {
        const response = await client.get(`body/${length}`, options);
        if (!response.ok || random.chance(0.2)) {
          await response.body?.cancel();
          return;
        }
        got = new Uint8Array(await response.arrayBuffer());
      } else got = await client.get(`body/${length}`, options).bytes();
      holds(got.byteLength === length, `a whole body, not ${got.byteLength}`);
      const expected = bodyOf(length);
      holds(got.every((byte, index) => byte === expected[index]), "its bytes");
    } catch (error) {
      if ((error as Error).message.startsWith("does not hold")) throw error;
      holds(isExpected(error), `a call fails for a reason, not ${error}`);
    } finally {
      clearTimeout(timer);
    }
  };
  await Promise.all(Array.from({ length: random.integer(5, 40) }, call));
  await client.close();
  holds(client.stats.calls === 0, "no call is left");
  holds(client.stats.connections === 0, "no connection is left");
};

/** Downloads: the file is whole or not there. */
export const downloads: Load = async (random, context) => {
  const directory = await context.directory();
  const client = new AsyncHTTPClient({
    timeout: { attempt: 60 },
    retryPolicy: new RetryPolicy({ maxRetries: 6, baseDelay: 1, maxDelay: 4 }),
  });
  for (let index = random.integer(1, 4); index > 0; index--) {
    const length = random.integer(1, 300_000);
    const path = `${directory}/${index}`;
    const own = new AbortController();
    const timer = random.chance(0.3)
      ? setTimeout(() => own.abort(CANCELLED), random.integer(0, 15))
      : undefined;
    try {
      const { bytes } = await asyncDownload(
        `${context.origin}/body/${length}`,
        path,
        { client, signal: own.signal },
      );
      holds(bytes === length, "its length");
      const [got, expected] = [await Deno.readFile(path), bodyOf(length)];
      holds(
        got.byteLength === length &&
          got.every((byte, at) => byte === expected[at]),
        "the file is what the server has",
      );
    } catch (error) {
      if ((error as Error).message.startsWith("does not hold")) throw error;
      holds(isExpected(error), `a download fails for a reason, not ${error}`);
      const there = await Deno.stat(path).then(() => true, () => false);
      holds(!there, "nothing stands under the name of a failed download");
    } finally {
      clearTimeout(timer);
    }
  }
  await client.close();
};
