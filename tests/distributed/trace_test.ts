/**
 * One trace over two processes, as an OTLP receiver sees it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { Program } from "./support/processes.ts";
import { testWithRedis, useRedis } from "./support/redis.ts";

testWithRedis(
  "one trace joins the submitter's span, the time in the queue and the worker's span",
  async () => {
    await using redis = await useRedis();
    await using receiver = new OtlpReceiver();
    const { env } = receiver;
    await using worker = new Program(
      "./worker.ts",
      [JSON.stringify(redis.at)],
      env,
    );
    await worker.said("ready");
    await using submitter = new Program(
      "./submitter.ts",
      [JSON.stringify(redis.at), "run", "traced", "30"],
      env,
    );
    assertEquals((await submitter.ended()).code, 0);
    worker.kill("SIGTERM");
    assertEquals((await worker.ended()).code, 0);
    const [submit] = receiver.named("cluster.submit");
    const [run] = receiver.named("cluster.task");
    assert(submit !== undefined && run !== undefined);
    assertEquals(run.traceId, submit.traceId);
    assertEquals(run.parentSpanId, submit.spanId);
    assertEquals(
      [submit.attributes["task.name"], submit.attributes["task.id"]],
      [
        "slow",
        "traced",
      ],
    );
    assertEquals(run.attributes["task.id"], "traced");
    assert(Number(run.attributes["task.queue_ms"]) >= 0);
    // It is within the submitter's, and the local runner's own span within it.
    assert(run.start >= submit.start && run.end <= submit.end);
    const task = receiver.named("task").find(({ parentSpanId }) =>
      parentSpanId === run.spanId
    );
    assertEquals(task?.traceId, submit.traceId);
  },
);
