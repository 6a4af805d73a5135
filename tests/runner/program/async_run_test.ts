/**
 * asyncRun: within this process, and as real programs with real signals.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { asyncBackground, asyncRun, AsyncRunner } from "../../../runner/mod.ts";
import { timers } from "../../../_internal/timer_queue.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { abortListeners, nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });

interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program of the fixture; sends `signals` one by one, each after a further line of output. */
async function program(
  which: string,
  ...signals: Deno.Signal[]
): Promise<Ended> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      new URL("../fixtures/run_program.ts", import.meta.url).href,
      which,
    ],
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const err = new Response(child.stderr).text();
  let out = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    out += text;
    while (signals.length > 0 && out.split("\n").length - 1 >= wanted) {
      child.kill(signals.shift()!);
      wanted++;
    }
  }
  const { code, signal } = await child.status;
  return { code, signal, out, err: await err };
}
let wanted = 1;

/** A test of a program; signals other than SIGKILL cannot be sent on Windows. */
function testProgram(name: string, fn: () => Promise<void>) {
  testWith(["run", "read"], name, async () => {
    wanted = 1;
    await fn();
  }, { ignore: Deno.build.os === "windows" });
}

Deno.test("asyncRun() gives what main returns, after the clean-ups, last registered first", async () => {
  const order: string[] = [];
  const value = await asyncRun(async (context) => {
    context.defer(() => {
      order.push("first");
    });
    context.defer(async () => {
      await null;
      order.push("second");
      context.defer(() => order.push("deferred while cleaning up"));
    });
    const resource = context.use({
      [Symbol.dispose]: () => {
        order.push("disposed");
      },
    });
    assert(Symbol.dispose in resource);
    context.use({
      [Symbol.dispose]: () => {
        order.push("never: there is an asynchronous one");
      },
      [Symbol.asyncDispose]: async () => {
        await null;
        order.push("disposed asynchronously");
      },
    });
    await null;
    order.push("main");
    return 42;
  });
  assertEquals(value, 42);
  assertEquals(order, [
    "main",
    "disposed asynchronously",
    "disposed",
    "second",
    "deferred while cleaning up",
    "first",
  ]);
});

Deno.test("asyncRun() rejects with the very error of main, after the clean-ups", async () => {
  await using _ = nothingLeft();
  const error = new Error("main");
  let isClean = false;
  assertStrictEquals(
    await asyncRun((context) => {
      context.defer(() => isClean = true);
      throw error;
    }).catch((error) => error),
    error,
  );
  assert(isClean);
  assertEquals(
    await asyncRun(() => Promise.reject(undefined)).then(
      () => "resolved",
      (error) => error,
    ),
    undefined,
  );
});

Deno.test("asyncRun() runs every clean-up although some fail, and hides no error behind another", async () => {
  await using _ = nothingLeft();
  const order: number[] = [];
  const cleanups = (context: { defer(cleanup: () => unknown): void }) => {
    for (const n of [1, 2, 3]) {
      context.defer(() => {
        order.push(n);
        if (n !== 2) throw new Error(`cleanup ${n}`);
      });
    }
  };
  const both = await assertRejects(
    () =>
      asyncRun((context) => {
        cleanups(context);
        throw new Error("main");
      }),
    AggregateError,
  );
  assertEquals(both.errors.map(String), [
    "Error: main",
    "Error: cleanup 3",
    "Error: cleanup 1",
  ]);
  const only = await assertRejects(() => asyncRun(cleanups), AggregateError);
  assertEquals(only.errors.map(String), [
    "Error: cleanup 3",
    "Error: cleanup 1",
  ]);
  assertEquals(order, [3, 2, 1, 3, 2, 1]);
});

Deno.test("asyncRun() ends main when its timeout has passed, and rejects although main returned", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const failed = assertRejects(
    () =>
      asyncRun(
        ({ signal }) => aborted(signal).catch(() => "a value"),
        { timeout: 100 },
      ),
    DOMException,
    "main's time limit of 100 ms has passed",
  );
  await clock.tick(100);
  assertEquals((await failed).name, "TimeoutError");
  assertEquals(timers.size, 0);
});

Deno.test("asyncRun() rejects with the reason of its signal, once main has ended and all is clean", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const reason = { why: "outside" };
  const order: string[] = [];
  const failed = asyncRun(async (context) => {
    context.defer(() => order.push("clean"));
    await aborted(context.signal).catch(() => {});
    order.push("main");
  }, { signal: controller.signal }).catch((error) => {
    order.push("settled");
    return error;
  });
  controller.abort(reason);
  assertStrictEquals(await failed, reason);
  assertEquals(order, ["main", "clean", "settled"]);
  let wasCalled = false;
  assertStrictEquals(
    await asyncRun(() => wasCalled = true, { signal: controller.signal })
      .catch((error) => error),
    reason,
  );
  assert(!wasCalled);
});

Deno.test("asyncRun() keeps what main throws beside the reason of an abort, and not the abort's own errors", async () => {
  const reason = new Error("stop");
  const run = async (thrown: unknown) => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const running = asyncRun(
      ({ signal }) =>
        aborted(signal).catch(() => {
          throw thrown;
        }),
      { signal: controller.signal },
    ).catch((error) => error);
    controller.abort(reason);
    return await running;
  };
  assertStrictEquals(await run(reason), reason);
  assertStrictEquals(
    await run(new DOMException("aborted", "AbortError")),
    reason,
  );
  assertStrictEquals(
    await run(new Error("fetch failed", { cause: reason })),
    reason,
  );
  for (const thrown of [null, undefined, "text"]) {
    assertEquals((await run(thrown)).errors, [reason, thrown]);
  }
  const other = new Error("while ending");
  const both: AggregateError = await run(other);
  assertEquals(both.errors, [reason, other]);
});

Deno.test("asyncRun() cleans up without a main that ignores the abort for gracePeriod", async () => {
  await using _ = nothingLeft();
  using clock = new FakeClock();
  const { error } = console;
  const printed: unknown[] = [];
  console.error = (text) => printed.push(text);
  try {
    let isClean = false;
    const failed = assertRejects(
      () =>
        asyncRun((context) => {
          const main = Promise.withResolvers<never>();
          context.defer(async () => {
            // What it does now goes nowhere.
            main.reject(new Error("late"));
            await main.promise.catch(() => {});
            isClean = true;
          });
          return main.promise;
        }, { timeout: 100, gracePeriod: 50 }),
      DOMException,
    );
    await clock.tick(149);
    assert(!isClean);
    await clock.tick(1);
    await failed;
    assert(isClean);
    assertEquals(printed, [
      "asyncRun: main has not ended within 50 ms of the abort; cleaning up without it:",
    ]);
    assertEquals(timers.size, 0);
  } finally {
    console.error = error;
  }
});

Deno.test("asyncRun() cancels and awaits what main left in the background", async () => {
  await using _ = nothingLeft();
  const order: string[] = [];
  const left: Promise<unknown>[] = [];
  await asyncRun(async () => {
    left.push(asyncBackground(async ({ signal }) => {
      await aborted(signal).catch(() => {});
      await null;
      order.push("background ended");
    }));
    await null;
    order.push("main ended");
  });
  order.push("asyncRun ended");
  await Promise.allSettled(left);
  assertEquals(order, ["main ended", "background ended", "asyncRun ended"]);
});

Deno.test("asyncRun() within another leaves the outer one's background tasks alone", async () => {
  await using _ = nothingLeft();
  await asyncRun(async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const background = asyncBackground(() => promise);
    assertEquals(await asyncRun(() => "inner"), "inner");
    resolve("not cancelled");
    assertEquals(await background, "not cancelled");
  });
});

Deno.test("asyncRun() leaves no timer and no listener behind, neither its caller's nor the system's", async () => {
  const { signal } = new AbortController();
  await using _ = nothingLeft({ signals: [signal] });
  const listeners: string[] = [];
  const { addSignalListener, removeSignalListener } = Deno;
  Deno.addSignalListener = (name, listener) => {
    addSignalListener(name, listener);
    listeners.push(name);
  };
  Deno.removeSignalListener = (name, listener) => {
    removeSignalListener(name, listener);
    listeners.splice(listeners.indexOf(name), 1);
  };
  try {
    await asyncRun(() => {
      assert(listeners.includes("SIGINT"));
      assertEquals([abortListeners(signal), timers.size], [1, 1]);
    }, { signal, timeout: 60_000 });
    assertEquals([listeners, abortListeners(signal), timers.size], [[], 0, 0]);
  } finally {
    Object.assign(Deno, { addSignalListener, removeSignalListener });
  }
});

Deno.test("asyncRun() disposes of a runner that main registered, which waits for its tasks", async () => {
  await using _ = nothingLeft();
  const order: string[] = [];
  await asyncRun((context) => {
    const runner = context.use(new AsyncRunner());
    runner.submit(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push("task");
    });
  });
  order.push("over");
  assertEquals(order, ["task", "over"]);
});

Deno.test("asyncRun() names what is wrong", async () => {
  await assertRejects(
    () => asyncRun(5 as unknown as () => void),
    TypeError,
    "main must be a function, got 5",
  );
  await assertRejects(
    () => asyncRun(() => {}, { timeout: -1 }),
    RangeError,
    "timeout must be a non-negative number",
  );
  await assertRejects(
    () => asyncRun(() => {}, { gracePeriod: NaN }),
    RangeError,
    "gracePeriod",
  );
  await assertRejects(
    () => asyncRun((context) => void context.use({} as Disposable)),
    TypeError,
    "context.use() takes something that can be disposed of, got an object",
  );
  await assertRejects(
    () => asyncRun((context) => context.defer(1 as unknown as () => void)),
    TypeError,
    "cleanup must be a function, got 1",
  );
});

testProgram(
  "asyncRun() cleans up and exits with 130 on SIGINT, 143 on SIGTERM",
  async () => {
    assertEquals(await program("wellBehaved", "SIGINT"), {
      code: 130,
      signal: null,
      out: "ready\nInterruptError SIGINT 130\ncleaned up\n",
      err: "",
    });
    wanted = 1;
    assertEquals(await program("wellBehaved", "SIGTERM"), {
      code: 143,
      signal: null,
      out: "ready\nInterruptError SIGTERM 143\ncleaned up\n",
      err: "",
    });
  },
);

testProgram("asyncRun() exits at once on the second signal", async () => {
  const { code, out } = await program("stubborn", "SIGINT", "SIGINT");
  assertEquals([code, out], [130, "ready\nasked\n"]);
  wanted = 1;
  const second = await program("stubborn", "SIGTERM", "SIGTERM");
  assertEquals(second.code, 143);
});

testProgram(
  "asyncRun() exits after gracePeriod when main and its clean-up never end",
  async () => {
    const { code, out, err } = await program("overdue", "SIGTERM");
    assertEquals([code, out], [143, "ready\ncleaning up without main\n"]);
    assertStringIncludes(err, "main has not ended within 30 ms");
    assertStringIncludes(err, "the clean-up has not ended within 30 ms");
  },
);

testProgram(
  "asyncRun() finishes the clean-up that is under way when the signal comes",
  async () => {
    const { code, out } = await program("duringCleanUp", "SIGINT");
    assertEquals([code, out], [130, "ready\nthe rest of the clean-up\n"]);
  },
);

testProgram(
  "asyncRun() exits with the signal's code although main returned and left a timer",
  async () => {
    const { code } = await program("ignoresReason", "SIGINT");
    assertEquals(code, 130);
  },
);

testProgram("asyncRun() prints what main throws while it ends", async () => {
  const { code, err } = await program("failsWhileEnding", "SIGINT");
  assertEquals(code, 130);
  assertStringIncludes(err, "asyncRun: Error: something else");
});

testProgram(
  "asyncRun() fails the process with main's error, after the clean-up",
  async () => {
    const { code, out, err } = await program("throws");
    assertEquals([code, out], [1, "cleaned up\n"]);
    assertStringIncludes(err, "Uncaught (in promise) Error: main failed");
  },
);

testProgram(
  "asyncRun() ends the background task that main leaves, and then the process",
  async () => {
    assertEquals(await program("background"), {
      code: 0,
      signal: null,
      out: "in the background\nbackground ended\nthe value\n",
      err: "",
    });
  },
);

testProgram(
  "asyncRun() exits when the last of several has cleaned up",
  async () => {
    const { code, out } = await program("two", "SIGINT");
    assertEquals(code, 130);
    assertEquals(
      out,
      "ready\nready\ncleaned up after 10\ncleaned up after 40\n",
    );
  },
);

testProgram(
  "asyncRun() leaves signals alone with handleSignals false",
  async () => {
    const { signal, out } = await program("unhandled", "SIGTERM");
    assertEquals([signal, out], ["SIGTERM", "ready\n"]);
  },
);

testProgram(
  "asyncBackground() prints an error nobody awaits, once, and the process goes on",
  async () => {
    for (
      const [which, line] of [
        ["backgroundFails", "main goes on\n"],
        ["backgroundFailsAlone", "the program goes on\n"],
      ] as const
    ) {
      const { code, out, err } = await program(which);
      assertEquals([code, out], [0, line]);
      assertEquals(err.match(/Error: in the background/g)?.length, 1);
    }
  },
);

testProgram(
  "asyncBackground() leaves the unhandled rejections of others alone",
  async () => {
    const { code, out, err } = await program("otherRejection");
    assertEquals([code, out], [1, ""]);
    assertStringIncludes(err, "of somebody else");
  },
);
