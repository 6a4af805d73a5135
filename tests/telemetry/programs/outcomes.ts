/** Spans around whatever a function may throw or return, and around work that its signal ends. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  asyncCopyFile,
  asyncHashFile,
  asyncReadFile,
  asyncWriteFile,
} from "../../../file/mod.ts";
import { asyncDownload } from "../../../http/mod.ts";
import { AsyncRunner } from "../../../runner/mod.ts";
import { span } from "../../../telemetry/mod.ts";

const unprintable = {
  toString() {
    throw new Error("not a string");
  },
};
await using runner = new AsyncRunner();
for (const thrown of [undefined, Object.create(null), unprintable, "text"]) {
  const fail = () => {
    throw thrown;
  };
  let caught: unknown = fail;
  try {
    span("throws", {}, fail);
  } catch (error) {
    caught = error;
  }
  assertStrictEquals(caught, thrown);
  await span("rejects", {}, () => runner.submit(fail)).then(
    fail,
    (error: unknown) => assertStrictEquals(error, thrown),
  );
}

// A thenable's `then` need not return anything.
const thenable = {
  then(resolve: (value: number) => void) {
    resolve(5);
  },
} as PromiseLike<number>;
const promise: Promise<number> = span("thenable", {}, () => thenable);
assertEquals(await promise, 5);

const controller = new AbortController();
const { signal } = controller;
const reason = new Error("enough");
const root = await Deno.makeTempDir();
await Deno.writeTextFile(`${root}/file`, "text");
const given = await Promise.all([
  () => asyncCopyFile(`${root}/file`, `${root}/copy`, { signal }),
  () => asyncReadFile(`${root}/file`, { signal }),
  () => asyncWriteFile(`${root}/new`, "text", { signal, atomic: true }),
  () => asyncHashFile(`${root}/file`, { signal }),
  () => asyncDownload("http://127.0.0.1:9", `${root}/download`, { signal }),
  () => runner.scope((scope) => abortOf(scope.signal), { signal }),
].map((work, index, { length }) => {
  const outcome = work().then(() => undefined, (error: unknown) => error);
  if (index === length - 1) controller.abort(reason);
  return outcome;
}));
for (const error of given) assertStrictEquals(error, reason);

const missing = `${root}/missing`;
const failed = await Promise.allSettled([
  asyncCopyFile(missing, `${root}/copy`),
  asyncHashFile(missing),
  asyncDownload("http://127.0.0.1:9", `${root}/download`), // a port that fetch refuses
  runner.scope(() => {
    throw new TypeError("no good");
  }),
]);
for (const { status } of failed) assertEquals(status, "rejected");
await Deno.remove(root, { recursive: true });

/** Rejects as soon as the signal aborts. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason))
  );
}
