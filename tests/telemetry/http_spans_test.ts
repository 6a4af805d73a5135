import { assert, assertEquals } from "@std/assert";
import { OtlpReceiver, type ReceivedSpan } from "../support/otlp_receiver.ts";
import { testWith } from "../support/permissions.ts";

const program = new URL("./programs/http.ts", import.meta.url);

testWith(
  ["net", "run", "read"],
  "AsyncHTTPClient has a span for a call under its task, one for each attempt, and no secrets in them",
  async () => {
    await using receiver = new OtlpReceiver();
    await receiver.run(program);
    const children = (parent: ReceivedSpan) =>
      receiver.spans.filter(({ parentSpanId }) =>
        parentSpanId === parent.spanId
      ).sort((a, b) => a.start - b.start);
    const callsOf = (task: string) => {
      const found = receiver.named("task").find((span) =>
        span.attributes["task.name"] === task
      );
      assert(found, `no span of task ${task}`);
      assertEquals(receiver.parentOf(found)?.name, "scope");
      return children(found).filter(({ name }) => name === "http.request");
    };

    const [retried] = callsOf("retried");
    assert(retried);
    assertEquals(retried.events, ["retry"]);
    assertEquals(retried.attributes["http.response.status_code"], 200);
    const attempts = children(retried);
    assertEquals(
      attempts.map(({ name, kind, isError, attributes }) => [
        name,
        kind,
        isError,
        attributes["http.response.status_code"],
        attributes["error.type"],
        attributes["http.request.resend_count"],
        attributes["http.response.body.size"],
      ]),
      [
        ["GET", 3, true, 503, "503", undefined, undefined],
        ["GET", 3, false, 200, undefined, 1, 6],
      ],
    );

    // In the runner's slot: the call, its task, its attempt, redirects and all in one span.
    const [moved] = callsOf("moved");
    assert(moved);
    const [slot] = children(moved);
    assert(slot);
    const [posted] = children(slot);
    assert(posted);
    assertEquals([slot.name, posted.name], ["task", "POST"]);
    assertEquals(posted.attributes["http.request.body.size"], 7);
    assert(
      String(posted.attributes["async_core.url.final"]).endsWith(
        "/fine?key=***",
      ),
    );

    const [given] = callsOf("given up");
    assert(given);
    assert(!given.isError);
    assertEquals(given.attributes["async_core.cancelled"], true);

    const down = callsOf("down");
    assertEquals(down.map(({ isError }) => isError), [true, true]);
    assertEquals(down[0]?.attributes["error.type"], "HTTPStatusError");

    // Everything within the scope is one trace; what Deno's own fetch adds is not ours.
    const [scope] = receiver.named("scope");
    for (const span of [retried, ...attempts, moved, posted, given]) {
      assertEquals(span.traceId, scope?.traceId);
    }
    const ours = receiver.spans.filter(({ attributes }) =>
      attributes["url.query"] === undefined
    );
    assert(ours.length > 15);
    assert(!JSON.stringify(ours).includes("SECRET"));
    assert(!JSON.stringify(receiver.metrics).includes("SECRET"));

    const points = (name: string) => {
      const metric = receiver.metrics.findLast((metric) =>
        metric.name === name
      );
      assert(metric, `no metric ${name}`);
      return metric.points;
    };
    assertEquals(
      points("async_core.breaker.changes").map((point) =>
        point["async_core.breaker.state"]
      ),
      ["open"],
    );
    assertEquals(
      new Set(
        points("async_core.http.retries").map((point) => point["error.type"]),
      ).has("503"),
      true,
    );
    for (
      const name of [
        "async_core.breaker.state",
        "http.client.request.duration",
        "http.client.request.body.size",
        "http.client.response.body.size",
      ]
    ) assert(points(name).length > 0);
  },
);
