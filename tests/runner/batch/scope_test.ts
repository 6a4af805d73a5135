/**
 * runner.scope: no task outlives its scope, and no failure is lost or told twice.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import fc from "fast-check";
import {
  AsyncRunner,
  type TaskHandle,
  TaskPriority,
  TaskScheduler,
  type TaskScope,
} from "../../../runner/mod.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  aborted,
  errorOf,
  flush,
  quiet,
  untilAborted,
} from "../../support/tasks.ts";

/** The single errors of a rejection. */
function errorsOf(error: unknown): unknown[] {
  return error instanceof AggregateError
    ? error.errors.flatMap(errorsOf)
    : [error];
}

Deno.test("scope() gives what its body gives, when all its tasks have ended", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  const order: string[] = [];
  const result = await runner.scope((scope) => {
    scope.submit(async () => {
      await quiet();
      order.push("task");
    });
    scope.defer(() => order.push("first registered"));
    scope.defer(async () => {
      await quiet();
      order.push("second registered");
    });
    order.push("body");
    return 5;
  });
  assertEquals(result, 5);
  assertEquals(order, [
    "body",
    "task",
    "second registered",
    "first registered",
  ]);
});

Deno.test("scope() cancels and awaits the children when the body fails", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 2 });
  await using _ = nothingLeft({ runner });
  const failure = new Error("body");
  const ended: string[] = [];
  const error = await errorOf(runner.scope(async (scope) => {
    scope.submit(async ({ signal }) => {
      await aborted(signal);
      await quiet();
      ended.push("running");
    });
    scope.submit(untilAborted);
    scope.submit(() => ended.push("queued ones never start"));
    await quiet();
    throw failure;
  }));
  assertStrictEquals(error, failure);
  assertEquals(ended, ["running"]);
  assertEquals(runner.stats().running + runner.stats().queued, 0);
});

Deno.test("scope() fails with the error of a child that fails after the body has ended", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("late");
  assertStrictEquals(
    await errorOf(runner.scope((scope) => {
      scope.submit(untilAborted);
      scope.submit(async () => {
        await flush(100);
        throw failure;
      });
      return "body";
    })),
    failure,
  );
});

Deno.test("scope() aborts its signal when a child fails, so that the body can stop", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("child");
  let sawAbort = false;
  assertStrictEquals(
    await errorOf(runner.scope(async (scope) => {
      scope.submit(() => {
        throw failure;
      });
      await aborted(scope.signal);
      sawAbort = true;
      scope.signal.throwIfAborted();
    })),
    failure,
  );
  assert(sawAbort);
});

Deno.test("scope() reports two children that fail at once, in an AggregateError", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const errors = [new Error("a"), new Error("b")];
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const result = errorOf(runner.scope((scope) => {
    for (const error of errors) {
      scope.submit(() =>
        gate.then(() => {
          throw error;
        })
      );
    }
  }));
  await quiet();
  open();
  const error = await result;
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, errors);
});

Deno.test("scope() reports an error once, though the body awaits and rethrows it and two children share it", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("shared");
  const fails = () => Promise.reject(failure);
  assertStrictEquals(
    await errorOf(runner.scope(async (scope) => {
      const handles = [scope.submit(fails), scope.submit(fails)];
      await Promise.all(handles);
    })),
    failure,
  );
});

Deno.test("scope() reports what children throw while they are cancelled, but no cancellation", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const first = new Error("first");
  const cleanup = new Error("a child's clean-up");
  const error = await errorOf(runner.scope((scope) => {
    scope.submit(untilAborted);
    scope.submit(async ({ signal }) => {
      await aborted(signal);
      // What an API does that makes its own error of an abort.
      throw new DOMException("stopped", "AbortError");
    });
    scope.submit(async ({ signal }) => {
      await aborted(signal);
      throw cleanup;
    });
    scope.submit(async () => {
      await quiet();
      throw first;
    });
  }));
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, [first, cleanup]);
});

Deno.test("scope() reports failing clean-ups beside the failure, and runs them all", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("body");
  const cleanups = [new Error("one"), new Error("two")];
  let ran = 0;
  const error = await errorOf(runner.scope((scope) => {
    for (const error of cleanups) {
      scope.defer(() => {
        ran++;
        throw error;
      });
    }
    scope.defer(() => {
      ran++;
    });
    throw failure;
  }));
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, [failure, cleanups[1], cleanups[0]]);
  assertEquals(ran, 3);
  assertStringIncludes(error.message, "3 failures");
});

Deno.test("scope() fails when only a clean-up does, with its error", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("clean-up");
  assertStrictEquals(
    await errorOf(
      runner.scope((scope) => scope.defer(() => Promise.reject(failure))),
    ),
    failure,
  );
});

Deno.test("scope() passes on whatever is thrown, undefined too", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  let caught: unknown[] = [];
  try {
    await runner.scope(() => {
      throw undefined;
    });
  } catch (error) {
    caught = [error];
  }
  assertEquals(caught, [undefined]);
});

Deno.test("scope.submit() refuses a child that is started during teardown, as cancelled", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("failure");
  const handles: TaskHandle<unknown>[] = [];
  let started = 0;
  const start = (scope: TaskScope) => {
    handles.push(scope.submit(() => ++started));
    // Nobody awaits it, and that is no unhandled rejection.
    scope.scope(() => ++started);
  };
  const error = await errorOf(runner.scope((scope) => {
    scope.submit(async ({ signal }) => {
      await aborted(signal);
      start(scope);
    });
    scope.defer(() => start(scope));
    scope.submit(async () => {
      await quiet();
      throw failure;
    });
  }));
  assertStrictEquals(error, failure);
  assertEquals(handles.map(({ state }) => state), ["cancelled", "cancelled"]);
  for (const handle of handles) {
    assertEquals((await errorOf(handle) as Error).name, "AbortError");
  }
  assertEquals(started, 0);
});

Deno.test("scope.submit(), scope.defer() and scope.scope() after the end are refused", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  let scope: TaskScope | undefined;
  await runner.scope((opened) => {
    scope = opened;
  });
  assert(scope !== undefined);
  assert(scope.signal.aborted);
  const handle = scope.submit(() => 1);
  assertEquals(handle.state, "cancelled");
  await assertRejects(() => handle, DOMException, "The scope has ended");
  await assertRejects(async () => await scope?.scope(() => 1), DOMException);
  await assertRejects(
    async () => await scope?.defer(() => {}),
    Error,
    "scope.defer() was called after",
  );
});

Deno.test("scope() whose body ends lets its tasks submit further ones", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1 });
  let ran = 0;
  await runner.scope((scope) => {
    const again = (left: number) => {
      ran++;
      if (left > 0) scope.submit(() => again(left - 1));
    };
    scope.submit(() => again(20));
  });
  assertEquals(ran, 21);
});

Deno.test("scope() waits for the children that its tasks started with context.submit", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 4 });
  const order: string[] = [];
  await runner.scope((scope) => {
    scope.submit(async (context) => {
      // Not awaited, and it takes its time to stop.
      context.submit(async ({ signal }) => {
        await aborted(signal);
        await quiet();
        order.push("grandchild");
      });
      await quiet();
    });
  });
  order.push("scope");
  assertEquals(order, ["grandchild", "scope"]);
});

Deno.test("scope() goes on when a task's owner cancels it, whatever the task throws then", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  assertEquals(
    await runner.scope(async (scope) => {
      const handle = scope.submit(async ({ signal }) => {
        await aborted(signal);
        throw new Error("of no interest");
      });
      await quiet();
      handle.cancel();
      await errorOf(handle);
      return "went on";
    }),
    "went on",
  );
});

Deno.test("scope() fails with the TimeoutError of a task", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const result = errorOf(runner.scope((scope) => {
    scope.submit(untilAborted, { timeout: 50 });
  }));
  await clock.tick(50);
  const error = await result;
  assertInstanceOf(error, DOMException);
  assertEquals(error.name, "TimeoutError");
});

Deno.test("scope() rejects with the reason of its signal, having cancelled and awaited everything", async () => {
  await using runner = new AsyncRunner();
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  const order: string[] = [];
  const result = errorOf(
    runner.scope(async (scope) => {
      scope.defer(() => order.push("clean-up"));
      const handle = scope.submit(async ({ signal }) => {
        await aborted(signal);
        await quiet();
        order.push("task");
      });
      await handle;
    }, { signal: controller.signal }),
  );
  await quiet();
  const reason = new Error("from outside");
  controller.abort(reason);
  assertStrictEquals(await result, reason);
  assertEquals(order, ["task", "clean-up"]);
  // Opened with an aborted signal, it does not even call the body.
  assertStrictEquals(
    await errorOf(
      runner.scope(() => order.push("body"), { signal: controller.signal }),
    ),
    reason,
  );
  assertEquals(order.length, 2);
});

Deno.test("scope.scope() nested three deep: a cancelled outer scope ends the inner ones first", async () => {
  await using runner = new AsyncRunner();
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  const order: string[] = [];
  const child =
    (name: string) => async ({ signal }: { signal: AbortSignal }) => {
      await aborted(signal);
      order.push(`cancelled ${name}`);
      await quiet();
    };
  const result = errorOf(
    runner.scope(async (outer) => {
      outer.defer(() => order.push("outer"));
      outer.submit(child("outer"));
      await outer.scope(async (middle) => {
        middle.defer(() => order.push("middle"));
        middle.submit(child("middle"));
        await middle.scope(async (inner) => {
          inner.defer(() => order.push("inner"));
          await inner.submit(child("inner"));
        });
      });
    }, { signal: controller.signal }),
  );
  await quiet();
  const reason = new Error("from outside");
  controller.abort(reason);
  assertStrictEquals(await result, reason);
  assertEquals(order, [
    "cancelled inner",
    "cancelled middle",
    "cancelled outer",
    "inner",
    "middle",
    "outer",
  ]);
});

Deno.test("scope.scope() nested three deep: a failure in the innermost is told once", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("innermost");
  const error = await errorOf(
    runner.scope(async (outer) => {
      outer.submit(untilAborted);
      await outer.scope(async (middle) => {
        middle.submit(untilAborted);
        await middle.scope((inner) => {
          inner.submit(untilAborted);
          inner.submit(() => Promise.reject(failure));
        });
      });
    }),
  );
  assertStrictEquals(error, failure);
});

Deno.test("scope.scope() that nobody awaits ends before the outer one, and fails it", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  const failure = new Error("inner");
  const order: string[] = [];
  const error = await errorOf(runner.scope((outer) => {
    outer.defer(() => order.push("outer"));
    outer.scope(async (inner) => {
      inner.defer(() => order.push("inner"));
      await quiet();
      throw failure;
    });
  }));
  assertStrictEquals(error, failure);
  assertEquals(order, ["inner", "outer"]);
});

Deno.test("runner.scope() with the signal of another scope may fail without failing that", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  assertEquals(
    await runner.scope(async (outer) => {
      const error = await errorOf(
        runner.scope(() => Promise.reject(new Error("inner")), {
          signal: outer.signal,
        }),
      );
      return (error as Error).message;
    }),
    "inner",
  );
});

Deno.test("scope.scope() cancelled by its own signal does not fail the outer scope", async () => {
  await using runner = new AsyncRunner();
  const controller = new AbortController();
  await using _ = nothingLeft({ runner, signals: [controller.signal] });
  const reason = new Error("only the inner one");
  assertEquals(
    await runner.scope(async (outer) => {
      const inner = outer.scope(async (scope) => {
        await scope.submit(untilAborted);
      }, { signal: controller.signal });
      await quiet();
      controller.abort(reason);
      assertStrictEquals(await errorOf(inner), reason);
      return "went on";
    }),
    "went on",
  );
});

Deno.test("scope() gives its tasks its priority, and the runner's timeout", async () => {
  using clock = new FakeClock();
  await using runner = new AsyncRunner({ maxWorkers: 1, timeout: 50 });
  await using _ = nothingLeft({ runner });
  const result = errorOf(
    runner.scope((scope) => {
      const handle = scope.submit(untilAborted);
      assertEquals(handle.priority, TaskPriority.HIGH);
      assertEquals(
        scope.submit(() => {}, { priority: TaskPriority.LOW }).priority,
        TaskPriority.LOW,
      );
      scope.scope((inner) => {
        assertEquals(inner.submit(() => {}).priority, TaskPriority.HIGH);
      });
    }, { priority: TaskPriority.HIGH }),
  );
  await clock.tick(50);
  assertEquals((await result as Error).name, "TimeoutError");
});

Deno.test("scope.ready() rejects when the scope ends", async () => {
  await using runner = new AsyncRunner({ maxWorkers: 1, maxQueue: 1 });
  await using _ = nothingLeft({ runner });
  const failure = new Error("failure");
  let waited: Promise<unknown> | undefined;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const others = [runner.submit(() => gate), runner.submit(() => {})];
  await quiet();
  await assertRejects(
    () =>
      runner.scope((scope) => {
        assert(scope.isFull);
        waited = errorOf(scope.ready());
        throw failure;
      }),
    Error,
    "failure",
  );
  assertEquals((await waited as Error).name, "AbortError");
  open();
  await Promise.all(others);
});

Deno.test("scope.submit() within which the scope is ended cancels its task too", async () => {
  const controller = new AbortController();
  const reason = new Error("now");
  await using runner = new AsyncRunner({
    observer: { queued: () => controller.abort(reason) },
  });
  const error = await errorOf(
    runner.scope((scope) => void scope.submit(untilAborted), {
      signal: controller.signal,
    }),
  );
  assertStrictEquals(error, reason);
  assertEquals(runner.stats().running + runner.stats().queued, 0);
});

Deno.test("scope() names a wrong argument", async () => {
  await using runner = new AsyncRunner();
  await using _ = nothingLeft({ runner });
  await assertRejects(
    () => runner.scope(5 as unknown as () => void),
    TypeError,
    "body must be a function, got 5",
  );
  await assertRejects(
    () => runner.scope(() => {}, { signal: 5 as unknown as AbortSignal }),
    TypeError,
    "signal must be an AbortSignal, got 5",
  );
  await assertRejects(
    () => runner.scope(() => {}, { priority: 9 as TaskPriority }),
    RangeError,
    "priority must be",
  );
});

Deno.test("scope() is cancelled by the signal of its runner, the body included", async () => {
  for (const shares of [false, true]) {
    const controller = new AbortController();
    const { signal } = controller;
    await using scheduler = new TaskScheduler();
    const runner = shares
      ? new AsyncRunner({ scheduler, signal })
      : new AsyncRunner({ signal });
    await using _ = nothingLeft({
      runner: [runner, scheduler],
      signals: [signal],
    });
    const order: string[] = [];
    const result = errorOf(runner.scope(async (scope) => {
      scope.submit(untilAborted);
      await aborted(scope.signal);
      await quiet();
      order.push("body has seen it");
    }));
    await quiet();
    const reason = new Error("all of it");
    controller.abort(reason);
    assertStrictEquals(await result, reason);
    assertEquals(order, ["body has seen it"]);
    await runner.shutdown();
  }
});

// --- Random trees ---------------------------------------------------------------------------

/** A scope with tasks and inner scopes, and what becomes of its body. */
interface Plan {
  tasks: { fails: boolean; hangs: boolean; turns: number; nests: boolean }[];
  scopes: Plan[];
  bodyTurns: number;
  bodyFails: boolean;
  cleanupFails: boolean;
}

const plan = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.record({
    tasks: fc.array(
      fc.record({
        fails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
        hangs: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
        turns: fc.nat({ max: 30 }),
        nests: fc.boolean(),
      }),
      { maxLength: 4 },
    ),
    scopes: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      fc.constant<Plan[]>([]),
      fc.array(tie("plan"), { maxLength: 2 }),
    ),
    bodyTurns: fc.nat({ max: 30 }),
    bodyFails: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    cleanupFails: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
  }),
})).plan;

/** Whether anything in the tree can end the outermost scope before a task that hangs. */
function canEnd({ tasks, scopes, bodyFails }: Plan): boolean {
  return bodyFails || tasks.some(({ fails, hangs }) => fails && !hangs) ||
    scopes.some(canEnd);
}

function hangs({ tasks, scopes }: Plan): boolean {
  return tasks.some(({ hangs }) => hangs) || scopes.some(hangs);
}

Deno.test("scope() in random trees: no task outlives its scope, and every failure is told once", async () => {
  await fc.assert(
    fc.asyncProperty(
      plan,
      fc.integer({ min: 2, max: 5 }),
      fc.option(fc.nat({ max: 60 })),
      async (tree, maxWorkers, abortAfter) => {
        await using runner = new AsyncRunner({ maxWorkers });
        const controller = new AbortController();
        await using _ = nothingLeft({ runner, signals: [controller.signal] });
        const thrown = new Set<Error>();
        const open = new Set<string>();
        const wrong: string[] = [];
        let names = 0;

        const fail = (what: string): never => {
          const error = new Error(`${what} ${names++}`);
          thrown.add(error);
          throw error;
        };

        const run = (scope: TaskScope, own: Plan, path: string): void => {
          open.add(path);
          const alive = () => {
            if (!open.has(path)) wrong.push(`a task outlived ${path}`);
          };
          scope.defer(() => {
            // The clean-up of an outer scope comes after everything within.
            for (const other of open) {
              if (other !== path && other.startsWith(path)) {
                wrong.push(`${other} outlived ${path}`);
              }
            }
            if (own.cleanupFails) fail("clean-up");
          });
          for (const task of own.tasks) {
            scope.submit(async (context) => {
              if (task.nests) {
                // A child that is left alone.
                context.submit(async ({ signal }) => {
                  await aborted(signal);
                  await flush(task.turns);
                  alive();
                });
              }
              try {
                if (task.hangs) return await untilAborted(context);
                await flush(task.turns);
                if (task.fails) fail("task");
              } finally {
                alive();
              }
            });
          }
          for (const [index, inner] of own.scopes.entries()) {
            // Never awaited: what it does is its outer scope's business all the same.
            scope.scope((opened) => body(opened, inner, `${path}/${index}`))
              .then(
                () => open.delete(`${path}/${index}`),
                () => open.delete(`${path}/${index}`),
              );
          }
        };

        const body = async (scope: TaskScope, own: Plan, path: string) => {
          run(scope, own, path);
          await flush(own.bodyTurns);
          if (own.bodyFails) fail("body");
          return path;
        };

        const outcome = runner.scope((scope) => body(scope, tree, ""), {
          signal: controller.signal,
        }).then((path) => ({ path, error: undefined }), (error) => ({
          path: undefined,
          error,
        }));
        const reason = new DOMException("from outside", "AbortError");
        if (abortAfter !== null) {
          await flush(abortAfter);
          controller.abort(reason);
        } else if (hangs(tree) && !canEnd(tree)) {
          await flush(200);
          controller.abort(reason);
        }
        const { path, error } = await outcome;
        open.delete("");
        assertEquals(wrong, []);
        const told = error === undefined ? [] : errorsOf(error);
        if (path === undefined && thrown.size === 0) {
          assertEquals(told, [reason]);
        } else {
          assertEquals(new Set(told), thrown);
          assertEquals(told.length, thrown.size);
        }
        assertEquals(runner.stats().running + runner.stats().queued, 0);
      },
    ),
    { numRuns: 300, seed: 15 },
  );
});
