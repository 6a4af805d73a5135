/**
 * One job on three workers: counts the words of source files and hashes them, kills a worker
 * half-way, and shows that nothing is lost.
 *
 * Usage: `deno task demo:cluster [directory] [files]`. It starts a Redis of its own; REDIS_URL
 * names another.
 *
 * @module
 */
import { TaskPriority, walkAsync } from "@specify/async-core";
import { ClusterRunner } from "@specify/async-distributed";
import { startRedis, WorkerProcess } from "./cluster/processes.ts";
import { countWords, type Found, hash } from "./cluster/tasks.ts";

const [root = new URL("../", import.meta.url).pathname, most = "400"] =
  Deno.args;
if (Deno.args.length > 2 || root.startsWith("-") || !(Number(most) > 0)) {
  console.error("Usage: cluster.ts [directory [files]]");
  Deno.exit(2);
}
const isTerminal = Deno.stdout.isTerminal();
const encoder = new TextEncoder();

/** A line that is written over where there is a terminal, and its own line elsewhere. */
function show(text: string): void {
  Deno.stdout.writeSync(
    encoder.encode(isTerminal ? `\r\x1b[K${text}` : `${text}\n`),
  );
}

function table(title: string, rows: [string, string | number][]): void {
  console.log(`\n${title}`);
  for (const [name, value] of rows) {
    console.log(`  ${name.padEnd(24)}${String(value).padStart(10)}`);
  }
}

const paths: string[] = [];
try {
  const files = walkAsync(root, { pattern: "**/*.ts", skip: [/node_modules/] });
  for await (const { path } of files) {
    paths.push(path);
    if (paths.length >= Number(most)) break;
  }
} catch (error) {
  console.error(String(error));
  Deno.exit(1);
}
await using redis = await startRedis().catch((error) => {
  console.error(String(error));
  Deno.exit(1);
});
await using workers = new AsyncDisposableStack();
const started = await Promise.all(
  [1, 2, 3].map(() => WorkerProcess.start(redis)),
);
for (const worker of started) workers.use(worker);
const submittedAt = new Map<string, number>();
const waits = new Map<string, number[]>();
await using cluster = new ClusterRunner({
  connection: redis.connection,
  queue: redis.queue,
  observer: {
    queued: ({ id }) => submittedAt.set(id, performance.now()),
    // As soon as this process hears that a worker has taken it.
    started: ({ id, name, priority }) => {
      const level = priority === TaskPriority.HIGH ? "HIGH" : "LOW";
      const key = `${level} (${name})`;
      const list = waits.get(key) ?? [];
      waits.set(key, list);
      list.push(performance.now() - (submittedAt.get(id) ?? 0));
    },
    ended: ({ id }) => submittedAt.delete(id),
  },
});
console.log(
  `${paths.length} files, three workers (${
    started.map(({ pid }) => pid).join(", ")
  }), one Redis`,
);

// Connected before anything waits.
await cluster.stats();
const byWorker = new Map<number, number>();
const total = paths.length * 2;
const begin = performance.now();
let done = 0;
let words = 0;
let victim: WorkerProcess | undefined;

function ended({ worker, result }: Found): void {
  done++;
  byWorker.set(worker, (byWorker.get(worker) ?? 0) + 1);
  if (typeof result === "number") words += result;
  if (victim === undefined && done >= total / 2) {
    victim = started[0];
    victim?.kill();
    show(`${done} of ${total}: worker ${victim?.pid} killed`);
    if (isTerminal) console.log();
  } else if (done % Math.ceil(total / 10) === 0) show(`${done} of ${total}`);
}

await Promise.all(paths.flatMap((path) => [
  cluster.submit(hash({ path }), { priority: TaskPriority.LOW })
    .then(ended),
  cluster.submit(countWords({ path }), { priority: TaskPriority.HIGH })
    .then(ended),
]));
if (isTerminal) show("");

const { own } = await cluster.stats();
table("Tasks", [
  ["submitted", own.submitted],
  ["succeeded", own.succeeded],
  ["failed", own.failed],
  ["lost and run again", own.lost],
  ["words", words],
  ["seconds", ((performance.now() - begin) / 1000).toFixed(1)],
]);
table(
  "By worker",
  [...byWorker].map(([pid, count]) => [
    pid === victim?.pid ? `${pid} (killed)` : `${pid}`,
    count,
  ]),
);
table(
  "Milliseconds in the queue, the middle one",
  [...waits].map(([level, list]) => [
    level,
    Math.round(list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0),
  ]),
);
