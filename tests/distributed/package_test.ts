/**
 * The package itself: who depends on whom, what an import does, what it costs.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ClusterRunner } from "@specify/async-distributed";
import { runInNewContext } from "node:vm";
import { setFlagsFromString } from "node:v8";
import { testWith } from "../support/permissions.ts";
import { startWorker } from "./support/processes.ts";
import { RedisServer, testWithOwnRedis } from "./support/redis.ts";
import { square } from "./support/tasks.ts";

interface Graph {
  modules: {
    specifier: string;
    dependencies?: { code?: { specifier?: string } }[];
  }[];
}

const root = new URL("../../", import.meta.url).href;

/** Whether a module belongs to the distributed package. */
function isOurs(specifier: string): boolean {
  return specifier.startsWith(`${root}distributed/`);
}

async function graphOf(path: string): Promise<Graph> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(`../../${path}`, import.meta.url).href],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

testWith(
  ["run", "read"],
  "the core package does not depend on the distributed one, nor on its engine",
  async () => {
    const { modules } = await graphOf("mod.ts");
    const specifiers = modules.map(({ specifier }) => specifier);
    assert(specifiers.length > 50);
    assertEquals(
      specifiers.filter((one) => isOurs(one) || /bullmq|ioredis/.test(one)),
      [],
    );
  },
);

testWith(
  ["run", "read"],
  "the distributed package sees only the published faces of the core",
  async () => {
    const { modules } = await graphOf("distributed/mod.ts");
    const faces = new Set(
      Object.values(
        JSON.parse(
          await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
        ).exports as Record<string, string>,
      ).map((path) => new URL(path, new URL("../../", import.meta.url)).href),
    );
    const used = modules.filter(({ specifier }) => isOurs(specifier)).flatMap((
      { dependencies = [] },
    ) => dependencies.flatMap(({ code }) => code?.specifier ?? []));
    const outside = used.filter((one) =>
      one.startsWith("file:") && !isOurs(one)
    );
    assert(outside.length > 0);
    assertEquals(outside.filter((one) => !faces.has(one)), []);
  },
);

testWith(
  ["run", "read"],
  "importing the package needs no permission and starts nothing",
  async () => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "eval",
        "--no-check",
        "--ext=ts",
        `import { ClusterRunner, defineTask } from "@specify/async-distributed";
       new ClusterRunner(); defineTask("a", () => 1);`,
      ],
      cwd: new URL("../../", import.meta.url),
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  },
);

testWith(
  ["run", "read"],
  "without a permission that BullMQ needs, submits and workers say which, and the runner ends",
  async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "--no-prompt", "--quiet"],
        new URL("./support/without_permissions.ts", import.meta.url).pathname,
      ],
      cwd: new URL("../../", import.meta.url),
    }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    assert(/submit: SubmitRefusedError.*--allow-env/.test(text), text);
    assert(/onError: .*--allow-env/.test(text), text);
    assert(text.includes("ended"), text);
  },
);

/** The heap without what nobody holds, in bytes. */
function heapUsed(collect: () => void): number {
  collect();
  return Deno.memoryUsage().heapUsed;
}

testWithOwnRedis(
  "map over many inputs from a generator keeps Redis and the submitter in bounded memory",
  async () => {
    const count = Number(Deno.env.get("ASYNC_CLUSTER_INPUTS") ?? 4_000);
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    await using redis = await RedisServer.start();
    await using cluster = new ClusterRunner(redis.at);
    await using _worker = await startWorker(redis.at, { maxWorkers: 50 });
    function* numbers() {
      for (let n = 0; n < count; n++) yield n;
    }
    const usedOf = async () =>
      Number(
        /used_memory:(\d+)/.exec(await redis.command("INFO", "memory"))?.[1],
      );
    const ahead = { concurrency: 200 };
    let seen = 0;
    let mostKeys = 0;
    let early = { redis: 0, heap: 0 };
    for await (const _ of cluster.map(numbers(), square, ahead)) {
      seen++;
      if (seen % (count / 20) !== 0) continue;
      const keys = Number(/:(\d+)/.exec(await redis.command("DBSIZE"))?.[1]);
      mostKeys = Math.max(mostKeys, keys);
      // The stream of events has its full length by now.
      if (seen === count / 2) {
        early = { redis: await usedOf(), heap: heapUsed(collect) };
      }
    }
    assertEquals(seen, count);
    assert(mostKeys < 1500, `${mostKeys} keys`);
    const late = { redis: await usedOf(), heap: heapUsed(collect) };
    const grown = `${JSON.stringify(early)}, then ${JSON.stringify(late)}`;
    assert(late.redis < early.redis * 1.5 + 2_000_000, grown);
    // Less than 300 bytes for each of the other half.
    assert(late.heap < early.heap + 150 * count, grown);
  },
);
