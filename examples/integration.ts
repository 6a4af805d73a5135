/**
 * The source document's snippets, one after the other, in TypeScript. `runSnippets` gives what
 * each comes to, and its test says what that must be.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read --allow-write --allow-env integration.ts
 *
 * @module
 */
import { delay } from "@std/async";
import {
  asyncFilter,
  AsyncHTTPClient,
  asyncMap,
  AsyncPipeline,
  asyncReadFile,
  asyncRun,
  AsyncRunner,
  AsyncStream,
  asyncWriteFile,
  CircuitBreaker,
  ResourcePool,
  RetryPolicy,
  span,
  TaskPriority,
} from "../mod.ts";
import { serveFlaky } from "./integration/server.ts";

/** 1. Task execution and scheduling. */
async function submitOne(): Promise<string> {
  await using runner = new AsyncRunner({ maxWorkers: 10 });
  return await runner.submit(() => "done", { priority: TaskPriority.HIGH });
}

/** 2. Data streaming; also "Stream Processing" of the quick start. */
async function processStream(): Promise<number[]> {
  const stream = new AsyncStream([1, 2, 3, 4, 5]);
  return await stream.map((x) => x * 2).filter((x) => x > 5).collect();
}

/** 3. HTTP client; also "Retry Logic". The server fails twice before it answers. */
async function getWithRetry(url: string): Promise<unknown> {
  const retryPolicy = new RetryPolicy({
    maxRetries: 3,
    backoffFactor: 2,
    baseDelay: 1,
  });
  await using client = new AsyncHTTPClient({ retryPolicy });
  const response = await client.get(`${url}/fails-twice`);
  return await response.json();
}

/** 4. File operations. */
async function copyText(directory: string): Promise<string> {
  await asyncWriteFile(`${directory}/input.txt`, "content");
  const content = await asyncReadFile(`${directory}/input.txt`);
  await asyncWriteFile(`${directory}/output.txt`, content);
  return await asyncReadFile(`${directory}/output.txt`);
}

/** Quick start: basic async function. */
async function gatherTen(): Promise<number[]> {
  const task = (n: number) => async () => {
    await delay(10);
    return n * 2;
  };
  await using runner = new AsyncRunner({ maxWorkers: 5 });
  return await runner.gather(Array.from({ length: 10 }, (_, i) => task(i)));
}

/** Quick start: async HTTP requests; also "Concurrent Task Execution". */
async function fetchThree(url: string): Promise<unknown[]> {
  await using client = new AsyncHTTPClient({ baseUrl: url });
  await using runner = new AsyncRunner({ maxWorkers: 10 });
  return await runner.gather(["data/1", "data/2", "data/3"].map((path) =>
  // The task's signal ends the request with the task.
  ({ signal }) => client.get(path, { signal }).json()));
}

/** Priority-based scheduling: what waits starts in the order of the levels. */
async function byPriority(): Promise<string[]> {
  const order: string[] = [];
  const task = (name: string) => () => void order.push(name);
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  const { BACKGROUND, CRITICAL, NORMAL } = TaskPriority;
  await Promise.all([
    runner.submit(task("background"), { priority: BACKGROUND }),
    runner.submit(task("normal"), { priority: NORMAL }),
    runner.submit(task("critical"), { priority: CRITICAL }),
  ]);
  return order;
}

/** Resource pooling. */
async function useResource(): Promise<{ used: number; isOpen: boolean }> {
  const connection = { used: 0, isOpen: false };
  const createConnection = () => Object.assign(connection, { isOpen: true });
  const closeConnection = () => void (connection.isOpen = false);
  {
    await using pool = new ResourcePool({
      maxResources: 10,
      factory: createConnection,
      cleanup: closeConnection,
    });
    await using lease = await pool.acquire();
    lease.resource.used++;
  }
  return connection;
}

/** Circuit breaker. */
async function breakCircuit(url: string): Promise<string[]> {
  const circuitBreaker = new CircuitBreaker({
    failureThreshold: 5,
    recoveryTimeout: 60_000,
  });
  await using client = new AsyncHTTPClient({ circuitBreaker });
  const seen: string[] = [];
  for (let n = 0; n < 7; n++) {
    const error = await client.get(`${url}/down`).text().catch((error) =>
      error
    );
    seen.push(error.name);
  }
  return seen;
}

/** Stream transformations. */
async function transformStream(): Promise<number[]> {
  const batches = await AsyncStream.range(0, 1000)
    .map((n) => n + 1)
    .filter((n) => n % 2 === 0)
    .batch(100)
    .collect();
  return batches.map((batch) => batch.length);
}

/** Pipeline composition, statement by statement as in the source document. */
async function runPipeline(): Promise<number[]> {
  const pipeline = new AsyncPipeline<number, number>();
  pipeline.addStage(asyncMap((x: number) => x * 2));
  pipeline.addStage(asyncFilter((x: number) => x > 50));
  return await pipeline.process([10, 20, 30, 40]);
}

/** Telemetry: the span says what was done, if anybody listens. */
async function monitoredOperation(): Promise<number> {
  return await span("operation.name", { operation_type: "async" }, async () => {
    await delay(1);
    return 42;
  });
}

/** The environment variables: SPECIFY_ASYNC_WORKERS, read when a runner is made. */
async function workersFromEnvironment(): Promise<number> {
  await using runner = new AsyncRunner();
  return runner.scheduler.maxConcurrent;
}

/** Runs every snippet. The three tiers are in `three_tier.ts`. */
export async function runSnippets(directory: string) {
  await using server = serveFlaky();
  return {
    submitOne: await submitOne(),
    processStream: await processStream(),
    getWithRetry: await getWithRetry(server.url),
    copyText: await copyText(directory),
    gatherTen: await gatherTen(),
    fetchThree: await fetchThree(server.url),
    byPriority: await byPriority(),
    useResource: await useResource(),
    breakCircuit: await breakCircuit(server.url),
    transformStream: await transformStream(),
    runPipeline: await runPipeline(),
    monitoredOperation: await monitoredOperation(),
    workersFromEnvironment: await workersFromEnvironment(),
  };
}

if (import.meta.main) {
  await asyncRun(async ({ defer }) => {
    const directory = await Deno.makeTempDir();
    defer(() => Deno.remove(directory, { recursive: true }));
    console.log(JSON.stringify(await runSnippets(directory), null, 2));
  });
}
