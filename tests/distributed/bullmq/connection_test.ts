/**
 * How Redis is reached: addresses that are none, databases, users who may not do everything.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ClusterRunner,
  ClusterUnreachableError,
  SubmitRefusedError,
} from "@specify/async-distributed";
import { testWith } from "../../support/permissions.ts";
import { RedisServer, testWithOwnRedis } from "../support/redis.ts";
import { square, until } from "../support/tasks.ts";

Deno.test(
  "ClusterRunner names a connection that is no address of Redis, and does not show it",
  () => {
    const url = "connection must be a URL";
    const wrong: [unknown, string][] = [
      ["localhost:6379", url],
      ["http://a:secret@b", url],
      ["", url],
      [7, url],
      [new URL("redis://:secret@b"), "the text of a URL"],
      ["redis://:secret@b/first", "the number of a database"],
      ["redis:///tmp/redis.sock", "the number of a database"],
    ];
    for (const [connection, message] of wrong) {
      const error = assertThrows(
        () => new ClusterRunner({ connection: connection as string }),
        TypeError,
        message,
      );
      assert(!error.message.includes("secret"));
    }
    for (const connection of [{ db: -1 }, { db: 1.5 }, { port: 0 }]) {
      assertThrows(() => new ClusterRunner({ connection }), RangeError);
    }
  },
);

testWithOwnRedis(
  "a database that Redis does not have is told, and no other is used in its place",
  async () => {
    await using redis = await RedisServer.start();
    const errors: string[] = [];
    await using cluster = new ClusterRunner({
      connection: `${redis.url}/99`,
      sendTimeout: 1_000,
      onError: ({ message }) => errors.push(message),
    });
    // Whatever it takes to connect does not count.
    const counts = cluster.stats().catch(() => "refused");
    await until(() => errors.length > 0);
    await assertRejects(
      () => cluster.submit(square(2)),
      ClusterUnreachableError,
      "DB index is out of range",
    );
    assertEquals(errors, ["ERR DB index is out of range"]);
    assertEquals(await redis.command("DBSIZE"), ":0\r\n");
    await cluster.shutdown();
    assertEquals(await counts, "refused");
  },
);

testWithOwnRedis(
  "a user who may not read events is told so at each submit, over the same connections",
  async () => {
    await using redis = await RedisServer.start();
    await redis.command(
      ...["ACL", "SETUSER", "deaf", "on", ">secret", "~*", "&*", "+@all"],
      "-xrevrange",
    );
    await using cluster = new ClusterRunner({
      connection: { port: redis.port, username: "deaf", password: "secret" },
      onError: () => {},
    });
    for (let n = 0; n < 20; n++) {
      await assertRejects(
        () => cluster.submit(square(n)),
        SubmitRefusedError,
        "NOPERM",
      );
    }
    const clients = (await redis.command("CLIENT", "LIST"))
      .matchAll(/user=deaf/g).toArray();
    assert(clients.length <= 2, `${clients.length} connections`);
  },
);

testWithOwnRedis(
  "a listening that has begun is not begun again when the rest of the opening failed",
  async () => {
    await using redis = await RedisServer.start();
    await redis.command(
      ...["ACL", "SETUSER", "timeless", "on", ">secret", "~*", "&*", "+@all"],
      "-time",
    );
    await using cluster = new ClusterRunner({
      connection: {
        port: redis.port,
        username: "timeless",
        password: "secret",
      },
      onError: () => {},
    });
    for (let n = 0; n < 20; n++) {
      await assertRejects(
        () => cluster.submit(square(n)),
        SubmitRefusedError,
        "NOPERM",
      );
    }
    const clients = (await redis.command("CLIENT", "LIST"))
      .matchAll(/user=timeless/g).toArray();
    assert(clients.length <= 3, `${clients.length} connections`);
  },
);

testWith(
  ["net", "read", "env", "sys"],
  "without Redis a gather, a scope and a map end with the failure of their submit, and so does the runner",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const errors: Error[] = [];
    {
      await using cluster = new ClusterRunner({
        connection: { port },
        sendTimeout: 500,
        onError: (error) => errors.push(error),
      });
      // Whatever it takes to load BullMQ does not count.
      const counts = cluster.stats().catch(() => "refused");
      await until(() => errors.length > 0);
      const unreachable = (work: () => Promise<unknown>) =>
        assertRejects(work, ClusterUnreachableError, "ECONNREFUSED");
      await Promise.all([
        unreachable(() => cluster.submit(square(1))),
        unreachable(() => cluster.gather([square(1), square(2)])),
        unreachable(() => cluster.any([square(1)]).catch(firstOf)),
        unreachable(() => cluster.scope((scope) => scope.submit(square(1)))),
        unreachable(() => Array.fromAsync(cluster.map([1, 2], square))),
      ]);
      await cluster.shutdown();
      assertEquals(await counts, "refused");
    }
    assertEquals(errors.length, 1);
  },
);

function firstOf(error: AggregateError): never {
  throw error.errors[0];
}
