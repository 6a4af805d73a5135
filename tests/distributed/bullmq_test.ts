/**
 * How connections to Redis and BullMQ's loops over them are ended.
 *
 * @module
 */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import { ClusterRunner } from "@specify/async-distributed";
import { Pauses } from "../../distributed/bullmq/pauses.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { testWith } from "../support/permissions.ts";
import { RedisServer, testWithOwnRedis } from "./support/redis.ts";
import { square, until } from "./support/tasks.ts";

/** Whatever is left of a connection is a leak here. */
const sanitized = { sanitizeOps: true, sanitizeResources: true };

Deno.test(
  "Pauses go on for their time, or end all at once, and none begins afterwards",
  async () => {
    using clock = new FakeClock();
    const pauses = new Pauses();
    const over: string[] = [];
    pauses.pause(100).then(() => over.push("short"));
    pauses.pause(60_000).then(() => over.push("long"));
    await clock.tick(99);
    assertEquals(over, []);
    await clock.tick(1);
    assertEquals(over, ["short"]);
    pauses.end();
    await clock.settle();
    assertEquals(over, ["short", "long"]);
    await pauses.pause(60_000);
    assertEquals(clock.time.next(), false);
  },
);

Deno.test(
  "Pauses.afterFailure() gives what the work gives, and pauses only if it fails",
  async () => {
    using clock = new FakeClock();
    const pauses = new Pauses();
    const seen: unknown[] = [];
    const swallow = <T>(work: () => Promise<T>) =>
      work().catch((error) => {
        seen.push(error);
        return undefined;
      });
    assertEquals(
      await pauses.afterFailure(() => Promise.resolve(7), swallow),
      7,
    );
    const error = new Error("lost");
    let isOver = false;
    pauses.afterFailure(() => Promise.reject(error), swallow)
      .then(() => isOver = true);
    await clock.tick(4_999);
    assertEquals([seen, isOver], [[error], false]);
    await clock.tick(1);
    assert(isOver);
    const last = pauses.afterFailure(() => Promise.reject(error), swallow);
    await clock.settle();
    pauses.end();
    await last;
    assertEquals(clock.time.next(), false);
  },
);

/** Where a server hangs up on everybody at once. */
class RudeServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;
  connections = 0;

  constructor() {
    this.#serving = this.#serve();
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      this.connections++;
      connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#serving;
  }
}

/** Loaded late: it reads the environment, which a run without permissions must not. */
async function connectTo(port: number): Promise<Redis> {
  const { connect } = await import("../../distributed/bullmq/connection.ts");
  const redis = connect({ port }, () => false, () => {});
  redis.on("error", () => {});
  return redis;
}

testWith(
  ["net", "read", "env", "sys"],
  "a connection without a host leads to 127.0.0.1, as documented",
  async () => {
    const { connect } = await import("../../distributed/bullmq/connection.ts");
    for (const where of [{ port: 1 }, "redis:///1"]) {
      const redis = connect(where, () => true, () => {});
      redis.on("error", () => {});
      assertEquals(redis.options.host, "127.0.0.1");
      redis.disconnect();
    }
  },
  sanitized,
);

testWith(
  ["net", "read", "env", "sys"],
  "a connection that is ended between two tries ends at once, without a further one",
  async () => {
    await using server = new RudeServer();
    const redis = await connectTo(server.port);
    for (const connection of [redis, redis.duplicate()]) {
      connection.on("error", () => {});
      await new Promise((resolve) => connection.once("reconnecting", resolve));
      const waiting = connection.get("key");
      const tries = server.connections;
      const ended = new Promise((resolve) => connection.once("end", resolve));
      connection.disconnect();
      await ended;
      await assertRejects(() => waiting, Error, "Connection is closed");
      assertEquals([server.connections, connection.status], [tries, "end"]);
    }
  },
  sanitized,
);

testWith(
  ["net", "read", "env", "sys"],
  "a connection that is ended twice, or after its socket has closed, leaves no timer",
  async () => {
    await using server = new RudeServer();
    const redis = await connectTo(server.port);
    redis.disconnect();
    redis.disconnect();
    await new Promise((resolve) => redis.once("end", resolve));
    redis.disconnect();
    assertEquals(redis.status, "end");
  },
  sanitized,
);

testWith(
  ["net", "read", "env", "sys"],
  "Connections.close() resolves when every socket is closed, though the other side keeps its own open",
  async () => {
    const { Connections } = await import(
      "../../distributed/bullmq/connections.ts"
    );
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const connections = new Connections({ port }, {
      report: () => {},
      reconnected: () => {},
    });
    const opened = [connections.open(), connections.open()];
    const copy = opened[0]?.duplicate();
    copy?.on("error", () => {});
    const accepted: Deno.Conn[] = [];
    for (let n = 0; n < 3; n++) accepted.push(await listener.accept());
    await connections.close();
    for (const redis of opened) assert(redis.stream.closed);
    assert(copy?.stream.closed);
    for (const connection of accepted) connection.close();
  },
  sanitized,
);

testWithOwnRedis(
  "a runner and a worker that pause after a failure of BullMQ's end without waiting for that",
  async () => {
    await using redis = await RedisServer.start();
    await redis.command(
      ...["ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all"],
      ...["-xread", "-evalsha", "-eval"],
    );
    const errors: string[] = [];
    await using cluster = new ClusterRunner({
      connection: { port: redis.port, username: "limited", password: "secret" },
      onError: ({ message }) => errors.push(message),
    });
    const worker = cluster.work([square], { handleSignals: false });
    await worker.ready;
    const refused = (command: string) =>
      errors.some((error) =>
        error.includes("NOPERM") && error.includes(`'${command}'`)
      );
    await until(() => refused("xread") && refused("evalsha"));
    const start = performance.now();
    await worker.stop();
    await cluster.shutdown();
    assertLess(performance.now() - start, 3_000);
  },
  sanitized,
);

testWith(
  ["read", "env", "sys"],
  "EventStream.close() that is called again waits for the same end",
  async () => {
    const { EventStream } = await import(
      "../../distributed/bullmq/event_stream.ts"
    );
    const dropping = Promise.withResolvers<void>();
    let drops = 0;
    const stream = new EventStream({
      queue: "queue",
      prefix: "bull",
      redis: {} as Redis,
      reader: {} as Redis,
      drop: () => {
        drops++;
        return dropping.promise;
      },
      failed: () => {},
      skipped: () => {},
    });
    let closed = 0;
    const all = [stream.close(), stream.close()]
      .map((closing) => closing.then(() => closed++));
    await new Promise((resolve) => setTimeout(resolve, 5));
    assertEquals(closed, 0);
    dropping.resolve();
    await Promise.all(all);
    assertEquals([closed, drops], [2, 1]);
  },
);
