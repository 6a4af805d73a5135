/**
 * WorkerPool, on real workers.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import { DisposedError, OffloadError } from "../../../runner/mod.ts";
import { WorkerPool } from "../../../runner/threads/worker_pool.ts";
import { unhandledRejections } from "../../support/held_task.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";

const module = new URL("../fixtures/offloaded.ts", import.meta.url);

function abortable() {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: (reason: unknown) => controller.abort(reason),
  };
}

/** None ends for idleness while a busy machine stands still. */
const idleTimeout = 600_000;

testWith(
  ["read"],
  "WorkerPool.run() calls an exported function on another thread",
  async () => {
    await using pool = new WorkerPool({ maxWorkers: 2, idleTimeout });
    assertEquals(pool.size, 0, "workers are made when they are needed");
    assertEquals(await pool.run(module, "add", [1, 2]), 3);
    assertEquals(await pool.run(module.href, "later", [{ a: [1] }]), {
      a: [1],
    });
    assertEquals(
      await pool.run(module, "threadName", []),
      "@specify/async-core offload",
    );
    assertEquals(pool.size, 1);
    assertEquals(
      await Promise.all(
        [1, 2, 3, 4].map((n) => pool.run<number>(module, "add", [n, n])),
      ),
      [2, 4, 6, 8],
    );
    assertEquals(pool.size, 2);
  },
);

testWith(
  ["read"],
  "WorkerPool.run() ends an endless loop when the signal aborts, and heals",
  async () => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const endless = pool.run(module, "foreverAfter", [flag], {
      signal: controller.signal,
    });
    const waiting = pool.run(module, "add", [1, 1]);
    const begun = Atomics.waitAsync(flag, 0, 0);
    if (begun.async) await begun.value;
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await endless.catch((error) => error), reason);
    assertEquals(await waiting, 2);
  },
);

testWith(
  ["read"],
  "WorkerPool.run() keeps no worker that was ended, and ends none that has answered",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const { signal, abort } = abortable();
    assertEquals(await pool.run(module, "threadCalls", [], { signal }), 1);
    abort("too late");
    assertEquals(await pool.run(module, "threadCalls", []), 2);

    const second = abortable();
    const busy = pool.run(module, "forever", [], { signal: second.signal });
    // By now the worker has the call.
    await new Promise((resolve) => setTimeout(resolve, 0));
    second.abort("stop");
    assertEquals(await busy.catch((reason) => reason), "stop");
    assertEquals(pool.size, 0);
  },
);

testWith(
  ["read"],
  "WorkerPool.run() aborted between the hand-over of a worker and the call leaves the worker alone",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    assertEquals(await pool.run(module, "threadCalls", []), 1);
    const { signal, abort } = abortable();
    const call = pool.run(module, "threadCalls", [], { signal });
    abort("stop");
    assertEquals(await call.catch((reason) => reason), "stop");
    assertEquals(await pool.run(module, "threadCalls", []), 2);
  },
);

testWith(
  ["read"],
  "WorkerPool disposed of after arguments that could not be sent leaves no rejection behind",
  async () => {
    await using _ = nothingLeft();
    const pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const unhandled = await unhandledRejections(async () => {
      await assertRejects(
        () => pool.run(module, "add", [() => {}]),
        OffloadError,
      );
      await pool[Symbol.asyncDispose]();
    });
    assertEquals(unhandled, []);
  },
);

testWith(
  ["read"],
  "WorkerPool.run() aborted while it waits for a worker leaves the workers alone",
  async () => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const first = pool.run(module, "later", ["first"]);
    const second = pool.run(module, "add", [1, 1], {
      signal: controller.signal,
    });
    controller.abort("stop");
    assertEquals(await second.catch((reason) => reason), "stop");
    assertEquals(await first, "first");
    assertEquals(
      await pool.run(module, "add", [1, 1], { signal: AbortSignal.abort("no") })
        .catch((reason) => reason),
      "no",
    );
    assertEquals(pool.size, 1);
  },
);

testWith(
  ["read"],
  "WorkerPool.run() keeps an error's name, message, own fields, cause and remote stack",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const error = await assertRejects(
      () => pool.run(module, "failDeepInside", []),
      TypeError,
      "short and stout",
    );
    assertEquals(error.name, "TeapotError");
    const { status, headers } = error as unknown as Record<string, unknown>;
    assertEquals(status, 418);
    assertEquals(headers, { kind: "pot" });
    assertStringIncludes(error.stack ?? "", "failDeepInside");
    assertStringIncludes(error.stack ?? "", "offloaded.ts");
    assertMatch(
      error.stack ?? "",
      /\n {4}at failDeepInside of \S+ \(offloaded\)$/,
    );
    assertInstanceOf(error.cause, RangeError);
    assertEquals(error.cause.message, "spout");
  },
);

testWith(
  ["read"],
  "WorkerPool.run() keeps what is thrown when it is no ordinary error",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const thrown = (name: string, args: unknown[] = []) =>
      pool.run(module, name, args).then(
        () => assert(false, "it should have failed"),
        (error) => error,
      );
    assertEquals(await thrown("throwValue", [undefined]), undefined);
    assertEquals(await thrown("throwValue", [{ code: 3 }]), { code: 3 });
    const dom = await thrown("throwDomException");
    assertInstanceOf(dom, DOMException);
    assertEquals([dom.name, dom.message], ["NotFoundError", "gone"]);
    const aggregate = await thrown("throwAggregate");
    assertInstanceOf(aggregate, AggregateError);
    assertEquals(aggregate.message, "both");
    assertEquals(aggregate.errors.map(String), ["Error: one", "two"]);
    let depth = 0;
    for (
      let error = await thrown("throwCircle");
      error !== undefined;
      error = error.cause
    ) {
      assertEquals(error.message, "circle");
      depth++;
    }
    assert(depth < 20);
    assertEquals(pool.size, 1, "a worker whose function throws lives on");
  },
);

testWith(
  ["read"],
  "WorkerPool.run() rejects the task of a worker that dies, and heals",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const deaths: [string, RegExp, RegExp | undefined][] = [
      ["closeItself", /ended itself by close\(\)/, undefined],
      ["exitItself", /ended itself by Deno\.exit\(3\)/, undefined],
      ["exitItselfAsNode", /ended itself by/, undefined],
      ["dieLater", /uncaught error/, /from a timer/],
      ["rejectUnhandled", /unhandled rejection/, /from a promise/],
    ];
    for (const [name, message, cause] of deaths) {
      const error = await assertRejects(
        () => pool.run(module, name, []),
        OffloadError,
      );
      assertMatch(error.message, message);
      if (cause !== undefined) assertMatch(String(error.cause), cause);
      assertEquals(await pool.run(module, "add", [2, 2]), 4);
    }
  },
);

testWith(
  ["read"],
  "WorkerPool.run() moves transferables both ways",
  async () => {
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const { buffer } = new Uint8Array(1000);
    assertEquals(
      await pool.run(module, "lengthOf", [buffer], { transfer: [buffer] }),
      1000,
    );
    assertEquals(buffer.byteLength, 0, "it has moved there");
    const bytes = await pool.run<Uint8Array>(module, "filled", [500]);
    assertEquals([bytes.length, bytes[499]], [500, 7]);
    assertEquals(await pool.run(module, "lengthKept", []), 0, "and moved back");
  },
);

testWith(
  ["read"],
  "WorkerPool.run() says clearly what cannot be called or sent",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const missing = await assertRejects(
      () => pool.run(module, "subtract", []),
      OffloadError,
      'exports no function named "subtract". The functions that it exports: ',
    );
    assertStringIncludes(missing.message, "add, ");
    await assertRejects(
      () => pool.run(module, "notAFunction", []),
      OffloadError,
      'no function named "notAFunction"',
    );
    const nowhere = new URL("./fixtures/nowhere.ts", import.meta.url);
    const notFound = await assertRejects(
      () => pool.run(nowhere, "add", []),
      OffloadError,
      "nowhere.ts could not be loaded in the worker",
    );
    assertInstanceOf(notFound.cause, TypeError);
    const throwing = new URL("../fixtures/throws_at_load.ts", import.meta.url);
    const atLoad = await assertRejects(
      () => pool.run(throwing, "add", []),
      OffloadError,
    );
    assertInstanceOf(atLoad.cause, SyntaxError);
    await assertRejects(
      () => pool.run(module, "add", [() => {}]),
      OffloadError,
      "The arguments for add",
    );
    await assertRejects(
      () => pool.run(module, "unsendable", []),
      OffloadError,
      "The result of unsendable",
    );
    assertEquals(await pool.run(module, "add", [3, 3]), 6);
    assertEquals(pool.size, 1, "none of it cost the worker");
  },
);

Deno.test("WorkerPool.run() refuses relative addresses and says what to write instead", async () => {
  await using _ = nothingLeft();
  await using pool = new WorkerPool();
  for (const url of ["./module.ts", "module.ts", "/module.ts", "C:\\m.ts", 5]) {
    await assertRejects(
      () => pool.run(url as string, "add", []),
      TypeError,
      'Use import.meta.resolve("./module.ts")',
    );
  }
  await assertRejects(
    () => pool.run(module, 5 as unknown as string, []),
    TypeError,
    "exportName must be a string, got 5",
  );
  await assertRejects(
    () => pool.run(module, "add", {} as unknown as unknown[]),
    TypeError,
    "args must be an array",
  );
  assertEquals(pool.size, 0);
});

testWith(
  ["read"],
  "WorkerPool reports a worker that dies of what a call left behind, and heals",
  async () => {
    await using _ = nothingLeft();
    await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const { promise: told, resolve } = Promise.withResolvers<unknown[]>();
    const original = console.error;
    console.error = (...text) => resolve(text);
    try {
      assertEquals(await pool.run(module, "dieAfterwards", []), "fine");
      const [what, error] = await told;
      assertEquals(what, "An idle worker died:");
      assertInstanceOf(error, OffloadError);
      assertInstanceOf(error.cause, RangeError);
      // Where a call is under way, it is the call that is told.
      console.error = (...text) => assertEquals(text, []);
      await assertRejects(
        () => pool.run(module, "dieLater", []),
        OffloadError,
        "The worker died of an uncaught error",
      );
    } finally {
      console.error = original;
    }
    assertEquals(await pool.run(module, "add", [1, 1]), 2);
  },
);

testWith(["read"], "WorkerPool ends workers that have been idle", async () => {
  await using pool = new WorkerPool({ maxWorkers: 1, idleTimeout: 10 });
  assertEquals(await pool.run(module, "add", [1, 1]), 2);
  while (pool.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(await pool.run(module, "add", [1, 1]), 2);
});

testWith(
  ["read", "run"],
  "WorkerPool lets a process end when its workers have been idle",
  async () => {
    await using _ = nothingLeft();
    const pool = new URL(
      "../../../runner/threads/worker_pool.ts",
      import.meta.url,
    );
    const program = `
      import { WorkerPool } from ${JSON.stringify(pool.href)};
      const pool = new WorkerPool({ idleTimeout: 10 });
      console.log(await pool.run(${
      JSON.stringify(module.href)
    }, "add", [1, 1]));
    `;
    const config = fromFileUrl(new URL("../../../deno.json", import.meta.url));
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-read",
        `--config=${config}`,
        `data:text/typescript,${encodeURIComponent(program)}`,
      ],
      stdin: "null",
      stderr: "inherit",
      signal: AbortSignal.timeout(60_000),
    }).output();
    assertEquals([code, new TextDecoder().decode(stdout)], [0, "2\n"]);
  },
);

testWith(
  ["read"],
  "WorkerPool disposed of while workers are busy rejects their calls and ends them",
  async () => {
    await using _ = nothingLeft();
    const pool = new WorkerPool({ maxWorkers: 1, idleTimeout });
    const busy = assertRejects(
      () => pool.run(module, "forever", []),
      DisposedError,
    );
    const waiting = assertRejects(
      () => pool.run(module, "add", [1, 1]),
      DisposedError,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    await pool[Symbol.asyncDispose]();
    await busy;
    await waiting;
    assertEquals(pool.size, 0);
    await pool[Symbol.asyncDispose]();
    await assertRejects(() => pool.run(module, "add", [1, 1]), DisposedError);
  },
);

Deno.test("WorkerPool.run() says so where there are no workers", async () => {
  await using _ = nothingLeft();
  const original = globalThis.Worker;
  // deno-lint-ignore no-explicit-any -- a runtime without the global
  delete (globalThis as any).Worker;
  try {
    await using pool = new WorkerPool();
    await assertRejects(
      () => pool.run(module, "add", [1, 1]),
      OffloadError,
      "needs module workers, which this runtime does not have",
    );
  } finally {
    globalThis.Worker = original;
  }
});
