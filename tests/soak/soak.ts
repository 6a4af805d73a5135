/**
 * Random loads with random faults and aborts through all modules at once, for a given time. Fails
 * when an item is lost or doubled, an error is not the one that was to come, or something is held
 * that should have been given back: heap, descriptors, timers, listeners, slots. The cluster takes
 * part where redis-server is installed.
 *
 * Usage: `deno run --allow-all --v8-flags=--expose-gc tests/soak/soak.ts [--seconds=60] [--seed=N]`
 *
 * @module
 */
import { AsyncRunner } from "../../runner/mod.ts";
import {
  heapUsed,
  ListenerCount,
  openDescriptors,
  TimerCount,
} from "./held.ts";
import { hasRedis, RedisServer } from "../distributed/support/redis.ts";
import { type Load, Random, type SoakContext } from "./load.ts";
import { clusters } from "./load_cluster.ts";
import { trees, watchers, writers } from "./load_file.ts";
import { downloads, requests, serveFaults } from "./load_http.ts";
import { pools, scopes, tasks } from "./load_runner.ts";
import { branches, queues, streams } from "./load_streams.ts";

const redis = hasRedis ? await RedisServer.start() : undefined;

const LOADS: Readonly<Record<string, Load>> = {
  tasks,
  scopes,
  pools,
  streams,
  branches,
  queues,
  requests,
  downloads,
  writers,
  trees,
  watchers,
  ...(redis === undefined ? undefined : { clusters: clusters(redis.url) }),
};

/** Loads that run at once in a round. */
const AT_ONCE = 6;
/** Loads of a round. */
const PER_ROUND = 30;
/** A load that takes longer hangs. */
const LIMIT = 30_000;
/** More heap than at the beginning that is no leak: compiled code and its statistics. */
const HEAP_SLACK = 6 * 1024 * 1024;
/** Rounds before the heap is compared: until then code is compiled and caches fill. */
const WARM_UP = 2;

const seconds = Number(option("seconds") ?? 60);
const seed = Number(option("seed") ?? Math.floor(Math.random() * 2 ** 31));
if (!(seconds > 0) || !Number.isInteger(seed)) {
  throw new RangeError("--seconds must be above 0, and --seed a whole number");
}

function option(name: string): string | undefined {
  const start = `--${name}=`;
  return Deno.args.find((text) => text.startsWith(start))?.slice(start.length);
}

const failures: string[] = [];
const counts: Record<string, number> = {};

globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  failures.push(`unhandled rejection: ${event.reason?.stack ?? event.reason}`);
});

const timers = new TimerCount();
const controller = new AbortController();
const listeners = new ListenerCount(controller.signal);
const root = await Deno.makeTempDir({ prefix: "soak_" });
const server = serveFaults(seed);
const runner = new AsyncRunner({ maxWorkers: 8 });
let directories = 0;
const context: SoakContext = {
  runner,
  signal: controller.signal,
  origin: `http://127.0.0.1:${server.addr.port}`,
  async directory() {
    const path = `${root}/${directories++}`;
    await Deno.mkdir(path);
    return path;
  },
};
const random = new Random(seed);

async function runLoad(number: number): Promise<void> {
  const names = Object.keys(LOADS);
  const name = names[number % names.length] ?? "";
  const own = random.integer(0, 2 ** 31);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      LOADS[name]?.(new Random(own), context),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error("hangs")), LIMIT);
      }),
    ]);
    counts[name] = (counts[name] ?? 0) + 1;
  } catch (error) {
    failures.push(`${name} (load seed ${own}): ${(error as Error).stack}`);
  } finally {
    clearTimeout(timer);
  }
}

async function round(first: number): Promise<void> {
  let number = first;
  const worker = async () => {
    while (number < first + PER_ROUND && failures.length === 0) {
      await runLoad(number++);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  // Directories of the past would only fill the disk.
  for (const { name } of Deno.readDirSync(root)) {
    await Deno.remove(`${root}/${name}`, { recursive: true });
  }
}

/** Waits a little for what ends by itself, such as an excerpt of a body. */
async function settled(what: string, isSettled: () => boolean): Promise<void> {
  for (let tries = 0; !isSettled(); tries++) {
    if (tries === 300) {
      failures.push(`after a round there is still: ${what}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Reading {
  readonly heap: number;
  readonly descriptors: number;
}

async function read(): Promise<Reading> {
  await runner.onIdle();
  const { queued, running } = runner.stats();
  if (queued + running > 0) failures.push(`${queued} queued, ${running} run`);
  await settled("a timer", () => timers.size === 0);
  await settled("a listener", () => listeners.size === 0);
  return { heap: await heapUsed(), descriptors: openDescriptors() ?? 0 };
}

const start = performance.now();
const readings: Reading[] = [];
let rounds = 0;
do {
  await round(rounds * PER_ROUND);
  readings.push(await read());
  rounds++;
} while (
  failures.length === 0 &&
  (performance.now() - start < seconds * 1000 || rounds < WARM_UP + 2)
);

const least = (of: readonly Reading[], key: keyof Reading) =>
  Math.min(...of.map((reading) => reading[key]));
// The least of several: one reading may catch what is about to be let go.
const later = readings.slice(WARM_UP);
const half = Math.ceil(later.length / 2);
const heapBefore = least(later.slice(0, half), "heap");
const heapAfter = least(later.slice(half), "heap");
if (heapAfter - heapBefore > HEAP_SLACK) {
  failures.push(
    `the heap grew from ${heapBefore} to ${heapAfter} bytes: ${
      readings.map(({ heap }) => heap).join(", ")
    }`,
  );
}
await runner.shutdown();
await server.shutdown();
await Deno.remove(root, { recursive: true });
await redis?.[Symbol.asyncDispose]();
const descriptors = later.map((reading) => reading.descriptors);
// Sockets that are kept for the next request come and go; a leak only grows.
if (
  Math.min(...descriptors.slice(half)) >
    Math.max(...descriptors.slice(0, half)) + 4
) {
  failures.push(`open descriptors grew: ${descriptors.join(", ")}`);
}

console.log(
  `seed ${seed}: ${rounds} rounds in ${
    ((performance.now() - start) / 1000).toFixed(1)
  } s, heap ${(heapBefore / 2 ** 20).toFixed(1)} to ${
    (heapAfter / 2 ** 20).toFixed(1)
  } MiB, descriptors ${descriptors[0]} to ${descriptors.at(-1)}`,
);
console.log(
  Object.entries(counts).map(([name, n]) => `${name} ${n}`).join(", "),
);
if (redis === undefined) {
  console.log("without the cluster: redis-server is not installed");
}
for (const failure of failures) console.error(`FAILED ${failure}`);
Deno.exit(failures.length === 0 ? 0 : 1);
