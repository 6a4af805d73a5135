import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AsyncRunner,
  DisposedError,
  OffloadError,
} from "../../../runner/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { testWith } from "../../support/permissions.ts";

const module = new URL("../fixtures/offloaded.ts", import.meta.url);

testWith(
  ["read"],
  "AsyncRunner.offload() returns what the function gives",
  async () => {
    await using runner = new AsyncRunner();
    const handle = runner.offload<number>(module, "add", [2, 3]);
    assertEquals(handle.name, "add");
    assertEquals(await handle, 5);
  },
);

testWith(
  ["read"],
  "AsyncRunner.offload() counts against the runner's limit",
  async () => {
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    let between = -1;
    const offloaded = runner.offload<number>(module, "add", [1, 1]);
    const after = runner.submit(() => {
      between = runner.scheduler.running;
    });
    await Promise.all([offloaded, after]);
    assertEquals(between, 1);
  },
);

testWith(
  ["read"],
  "AsyncRunner.offload() ends an endless loop when it is cancelled, and the slot is free",
  async () => {
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    await using runner = new AsyncRunner({ maxWorkers: 1 });
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const endless = runner.offload(module, "foreverAfter", [flag], {
      signal: controller.signal,
    });
    // The next one is queued behind it, so it can only run when the loop has ended.
    const next = runner.offload<number>(module, "add", [20, 22]);
    await Atomics.waitAsync(flag, 0, 0).value;
    const reason = new Error("enough");
    controller.abort(reason);
    assertEquals(await endless.catch((error) => error), reason);
    assertEquals(await next, 42);
  },
);

testWith(
  ["read"],
  "AsyncRunner.offload() moves what is in transfer",
  async () => {
    await using runner = new AsyncRunner();
    const bytes = new Uint8Array(1024);
    const length = await runner.offload<number>(module, "lengthOf", [bytes], {
      transfer: [bytes.buffer],
    });
    assertEquals([length, bytes.byteLength], [1024, 0]);
  },
);

testWith(
  ["read"],
  "AsyncRunner.offload() says what is wrong when the function is not exported",
  async () => {
    await using _ = nothingLeft();
    await using runner = new AsyncRunner();
    const error = await assertRejects(() => runner.offload(module, "missing"));
    assertInstanceOf(error, OffloadError);
    assertStringIncludes(error.message, "missing");
  },
);

testWith(
  ["read"],
  "AsyncRunner.offload() rejects after a shutdown",
  async () => {
    const runner = new AsyncRunner();
    await using _ = nothingLeft({ runner });
    await runner.shutdown();
    await assertRejects(
      () => runner.offload(module, "add", [1, 2]),
      DisposedError,
    );
  },
);
