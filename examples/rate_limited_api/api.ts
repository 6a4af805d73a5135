/**
 * An API on 127.0.0.1 with limits of its own, that fails now and then.
 *
 * @module
 */
import { delay } from "@std/async";

/** A running API. */
export interface Api extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** Requests that it has answered, by status. */
  readonly answers: Map<number, number>;
  /** The most requests of one customer that were under way at a time. */
  readonly mostPerCustomer: number;
  /** How often it was asked for a customer whose shard is down. */
  readonly askedWhileDown: number;
}

/** Starts it. Every fifth request fails with 503 the first time; `/down/…` always does. */
export function serveApi(): Api {
  const answers = new Map<number, number>();
  const open = new Map<string, number>();
  let mostPerCustomer = 0;
  let askedWhileDown = 0;
  let requests = 0;
  const answer = async (path: string): Promise<Response> => {
    const [, shard, customer = ""] = path.split("/");
    if (shard === "down") {
      askedWhileDown++;
      return new Response("shard down", { status: 503 });
    }
    const count = (open.get(customer) ?? 0) + 1;
    mostPerCustomer = Math.max(mostPerCustomer, count);
    open.set(customer, count);
    try {
      await delay(10);
    } finally {
      open.set(customer, open.get(customer)! - 1); // set above
    }
    if (++requests % 5 === 0) {
      const headers = { "retry-after": "0" };
      return new Response("busy", { status: 503, headers });
    }
    return Response.json({ path });
  };
  const stop = new AbortController();
  const listening = {
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    onListen: () => {},
  };
  const server = Deno.serve(listening, async (request) => {
    const response = await answer(new URL(request.url).pathname);
    answers.set(response.status, (answers.get(response.status) ?? 0) + 1);
    return response;
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    answers,
    get mostPerCustomer() {
      return mostPerCustomer;
    },
    get askedWhileDown() {
      return askedWhileDown;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}
