/**
 * Every failure of a call is told in exactly one place, whenever it comes: the first is what the
 * promise rejects with, each other one is a line on the console, or the observer's.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AsyncRunner, AsyncStream } from "../../../mod.ts";
import { macrotask } from "../../../_internal/macrotask.ts";
import { settle } from "../support/probe.ts";
import { captureReports } from "../../support/captured_console.ts";

/** One call: when it ends (-1: within itself), and how. */
interface Call {
  readonly moment: number;
  readonly outcome: "succeed" | "fail" | "abort";
}

/** What stops the whole before its end. */
type Stop =
  | { readonly how: "not at all" }
  | { readonly how: "abort"; readonly at: number }
  | { readonly how: "leave"; readonly after: number };

interface Program {
  readonly calls: readonly Call[];
  readonly stop: Stop;
  readonly concurrency: number;
  readonly maxWorkers: number;
  readonly ordered: boolean;
  readonly isObserved: boolean;
}

/** What a way to run the calls is given. */
interface Run extends Program {
  readonly runner: AsyncRunner;
  readonly signal: AbortSignal;
  start(index: number): number | Promise<number>;
}

/** Reads to the end, or until it has seen enough. */
async function read(
  results: AsyncIterable<unknown>,
  stop: Stop,
): Promise<void> {
  let seen = 0;
  for await (const _ of results) {
    if (stop.how === "leave" && ++seen === stop.after) break;
  }
}

const indexes = (calls: readonly Call[]) => calls.map((_, index) => index);

/** Each settles when everything has; `isOrdered`: the failure of the first element is the first. */
const ways: Record<string, (run: Run) => Promise<unknown>> = {
  "a stream's map": ({ calls, start, concurrency, ordered, signal, stop }) =>
    read(
      AsyncStream.from(indexes(calls))
        .map((index) => start(index), { concurrency, ordered })
        .abortable(signal),
      stop,
    ),
  "a stream's map with a runner": (
    { calls, start, concurrency, ordered, signal, stop, runner },
  ) =>
    read(
      AsyncStream.from(indexes(calls))
        .map((index) => start(index), { concurrency, ordered, runner })
        .abortable(signal),
      stop,
    ),
  "a stream's map behind a buffer": (
    { calls, start, concurrency, ordered, signal, stop },
  ) =>
    read(
      AsyncStream.from(indexes(calls))
        .map((index) => start(index), { concurrency, ordered })
        .buffer(2).abortable(signal),
      stop,
    ),
  "map() of a runner": (
    { calls, start, concurrency, ordered, signal, stop, runner },
  ) =>
    read(
      runner.map(indexes(calls), start, { concurrency, ordered, signal }),
      stop,
    ),
  "gather() of a runner": ({ calls, start, signal, runner }) =>
    runner.gather(indexes(calls).map((index) => () => start(index)), {
      signal,
    }),
};

const call: fc.Arbitrary<Call> = fc.record({
  moment: fc.integer({ min: -1, max: 4 }),
  outcome: fc.constantFrom("succeed", "fail", "fail", "abort"),
});

const program: fc.Arbitrary<Program> = fc.record({
  calls: fc.array(call, { minLength: 1, maxLength: 7 }),
  stop: fc.oneof(
    fc.constant<Stop>({ how: "not at all" }),
    fc.record({
      how: fc.constant("abort" as const),
      at: fc.integer({ min: 0, max: 4 }),
    }),
    fc.record({
      how: fc.constant("leave" as const),
      after: fc.integer({ min: 1, max: 3 }),
    }),
  ),
  concurrency: fc.integer({ min: 2, max: 4 }),
  maxWorkers: fc.integer({ min: 1, max: 4 }),
  ordered: fc.boolean(),
  isObserved: fc.boolean(),
});

Deno.test("maps and gathers of calls that fail at any moment reject with the first failure itself, and each other one is told once, an echo never", async (test) => {
  for (const [name, way] of Object.entries(ways)) {
    await test.step(name, () =>
      fc.assert(
        fc.asyncProperty(program, (program) => check(way, name, program)),
        { numRuns: 300 },
      ));
  }
});

async function check(
  way: (run: Run) => Promise<unknown>,
  name: string,
  program: Program,
): Promise<void> {
  const { calls, stop, ordered, isObserved, maxWorkers } = program;
  using reports = captureReports();
  const observed: unknown[] = [];
  await using runner = new AsyncRunner({
    maxWorkers,
    observer: isObserved
      ? {
        settled: ({ state }, reason) =>
          void (state === "failed" && observed.push(reason)),
        ended: (_, error) => void (error !== undefined && observed.push(error)),
      }
      : undefined,
  });
  let turn = 0;
  /** What has failed. Of those in one turn each may be the first that is heard of. */
  const failures: { index: number; turn: number; error: Error }[] = [];
  const open = new Map<number, PromiseWithResolvers<number>>();
  const end = (index: number): number => {
    const { outcome } = calls[index]!; // Within the array.
    if (outcome === "succeed") return index;
    const error = outcome === "fail"
      ? new Error(`failure ${index}.`)
      : new DOMException(`abort ${index}.`, "AbortError");
    failures.push({ index, turn, error });
    throw error;
  };
  const start = (index: number): number | Promise<number> => {
    if (calls[index]!.moment < 0) return end(index);
    const call = Promise.withResolvers<number>();
    open.set(index, call);
    return call.promise;
  };
  const controller = new AbortController();
  const reason = { reason: "of the abort" };
  let rejected: { error: unknown } | undefined;
  let isSettled = false;
  const result = way({ ...program, runner, start, signal: controller.signal })
    .catch((error) => rejected = { error })
    .finally(() => isSettled = true);

  for (let moment = 0; !isSettled || open.size > 0; moment++) {
    assert(moment < 100, "it hangs");
    await settle();
    await macrotask();
    turn++;
    if (stop.how === "abort" && stop.at === moment) controller.abort(reason);
    for (const [index, { resolve, reject }] of [...open]) {
      if (calls[index]!.moment > moment) continue;
      open.delete(index);
      try {
        resolve(end(index));
      } catch (error) {
        reject(error);
      }
    }
  }
  await result;
  await settle();
  await macrotask();

  if (rejected !== undefined && rejected.error !== reason) {
    const isInOrder = ordered && !name.startsWith("gather");
    const rank = ({ index, turn }: typeof failures[number]) =>
      isInOrder ? index : turn;
    const first = Math.min(...failures.map(rank));
    const { error } = rejected;
    assert(
      failures.some((each) => each.error === error && rank(each) === first),
    );
  }
  const real = failures.map(({ error }) => error)
    .filter((error) => error.name !== "AbortError");
  const late = real.filter((error) => error !== rejected?.error);
  const isTold = isObserved && name.includes("runner");
  assertEquals(
    reports.lines.map((line) => line.replace(/.*: Error: /, "")).toSorted(),
    isTold ? [] : late.map(({ message }) => message).toSorted(),
  );
  if (isTold) {
    assertEquals(
      observed.filter((error) => real.includes(error as Error)).length,
      new Set(observed.filter((error) => real.includes(error as Error))).size,
      "the observer is told once",
    );
    for (const error of late) assert(observed.includes(error), error.message);
  }
}
