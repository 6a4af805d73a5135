/**
 * Options of the cluster: the words and the verdict of a local runner, and none that nothing knows.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { AsyncRunner } from "@specify/async-core";
import { ClusterRunner, defineTask } from "@specify/async-distributed";
import { testWithRedis, useRedis } from "./support/redis.ts";
import { square } from "./support/tasks.ts";

/** What a call throws, and with which words. */
function verdictOf(call: () => unknown): string {
  try {
    call();
    return "accepted";
  } catch (error) {
    return String(error);
  }
}

Deno.test("ClusterRunner.submit() says of a wrong option what AsyncRunner.submit() says", async () => {
  await using runner = new AsyncRunner();
  const cluster = new ClusterRunner({ connection: "redis://127.0.0.1:1" });
  const foreign = {
    aborted: false,
    addEventListener() {},
    removeEventListener() {},
  };
  for (
    const options of [
      { priority: 9 },
      { priority: "0" },
      { timeout: -1 },
      { timeout: "1" },
      { deadline: NaN },
      { deadline: "soon" },
      { signal: new Map() },
      { signal: foreign },
      { weight: 0 },
      { weight: 1.5 },
      { name: 5 },
      { key: {} },
      { onProgress: 1 },
      5,
    ]
  ) {
    const ofRunner = verdictOf(() =>
      runner.submit(square(1), options as never)
    );
    const ofCluster = verdictOf(() =>
      cluster.submit(square(1), options as never)
    );
    assert(ofRunner.includes(" must be "), ofRunner);
    assertEquals(ofCluster, ofRunner);
  }
  await cluster.shutdown({ wait: false });
});

Deno.test("ClusterRunner.submit() takes an empty name, as AsyncRunner.submit() does", async () => {
  const cluster = new ClusterRunner({ connection: "redis://127.0.0.1:1" });
  const handle = cluster.submit(square(1), { name: "" });
  assertEquals(handle.name, "");
  handle.cancel();
  await cluster.shutdown({ wait: false });
});

Deno.test("ClusterRunner says of its own options what AsyncRunner says", () => {
  const noFunction = { ended: 1 };
  for (
    const options of [
      { timeout: -1 },
      { priority: 5 },
      { signal: {} },
      { observer: 5 },
      { observer: noFunction },
      5,
    ]
  ) {
    const ofRunner = verdictOf(() => new AsyncRunner(options as never));
    const ofCluster = verdictOf(() => new ClusterRunner(options as never));
    assert(ofRunner.includes(" must be "), ofRunner);
    assertEquals(ofCluster, ofRunner);
  }
});

Deno.test("options of the cluster that nothing knows are refused, with the names of those there are", async () => {
  const cluster = new ClusterRunner({ connection: "redis://127.0.0.1:1" });
  const tasks = [square];
  for (
    const [call, message] of [
      [
        () => new ClusterRunner({ conection: "redis://a" } as never),
        'ClusterRunner has no option "conection"; it takes connection, queue,',
      ],
      [
        () => new ClusterRunner({ connection: { hots: "a" } as never }),
        '"connection.hots"; it takes connection.host, connection.port,',
      ],
      [
        () =>
          new ClusterRunner({ connection: { tls: { cafile: 1 } as never } }),
        '"connection.tls.cafile"; it takes connection.tls.ca,',
      ],
      [
        () => new ClusterRunner({ keep: { days: 1 } as never }),
        '"keep.days"; it takes keep.age, keep.count',
      ],
      [
        () => cluster.submit(square(1), { keep: { days: 1 } as never }),
        '"keep.days"; it takes keep.age, keep.count',
      ],
      [
        () => cluster.work(tasks, { runer: 1 } as never),
        'work() has no option "runer"; it takes runner, concurrency,',
      ],
      [
        () => defineTask("a", () => 1, { retries: 1 } as never),
        'defineTask() has no option "retries"; it takes timeout, retry, key, input',
      ],
      [
        () => cluster.map([1], square, { limit: 1 } as never),
        'map() has no option "limit"; it takes ',
      ],
    ] as const
  ) assertThrows(call, TypeError, message);
  for (
    const [call, message] of [
      [
        () => cluster.gather([square(1)], { setled: true } as never),
        'gather() has no option "setled"; it takes ',
      ],
      [
        () => cluster.race([square(1)], { limit: 1 } as never),
        'race() has no option "limit"; it takes ',
      ],
      [
        () => cluster.scope(() => 1, { limit: 1 } as never),
        'scope() has no option "limit"; it takes ',
      ],
      [
        () => cluster.shutdown({ gracious: 1 } as never),
        'shutdown() has no option "gracious"; it takes wait, timeout, grace',
      ],
    ] as const
  ) await assertRejects(call, TypeError, message);
  await cluster.shutdown({ wait: false });
});

Deno.test("options that may hold a secret are never shown", () => {
  for (
    const connection of [
      { password: ["secret"] },
      { password: { toString: () => "secret" } },
      { tls: { key: ["secret"] } },
    ]
  ) {
    const said = verdictOf(() =>
      new ClusterRunner({ connection: connection as never })
    );
    assert(said.includes(" must be "), said);
    assert(!said.includes("secret"), said);
  }
});

Deno.test("defineTask() takes schemas of Standard Schema only, functions among them, and no other policy of retries", () => {
  const standard = {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) => ({ value: value as number }),
  };
  const schema = Object.assign(() => {}, { "~standard": standard });
  defineTask("a", (n: number) => n, { input: schema });
  assertThrows(
    () => defineTask("a", (n: number) => n, { input: {} as never }),
    TypeError,
    "input must be a Standard Schema",
  );
  assertThrows(
    () => defineTask("a", () => 1, { retry: 3 as never }),
    TypeError,
    "retry must be a RetryPolicy or an object, got 3",
  );
});

testWithRedis(
  "ClusterRunner.work() takes Infinity for aging and concurrency, as AsyncRunner and map do",
  async () => {
    await using redis = await useRedis();
    await using cluster = new ClusterRunner(redis.at);
    const delays: (number | undefined)[] = [];
    const { setInterval } = globalThis;
    globalThis.setInterval = ((callback: () => void, delay?: number) => {
      delays.push(delay);
      return setInterval(callback, delay);
    }) as typeof setInterval;
    using _restored = {
      [Symbol.dispose]: () => void (globalThis.setInterval = setInterval),
    };
    cluster.work([square], { aging: Infinity, concurrency: Infinity });
    assertEquals(await cluster.submit(square(3)), 9);
    // An endless one would fire at once, and again and again.
    assert(delays.length > 0 && delays.every((delay = 0) => delay < 2 ** 31));
  },
);
