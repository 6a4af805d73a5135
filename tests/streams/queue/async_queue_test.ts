import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncQueue, QueueClosedError } from "../../../streams/mod.ts";
import { failureOf, settle } from "../support/probe.ts";
import { nothingLeft } from "../../support/nothing_left.ts";

Deno.test("AsyncQueue.put() waits while the queue is full and is served in order", async () => {
  const queue = new AsyncQueue<number>({ maxSize: 1 });
  const accepted: number[] = [];
  for (const n of [1, 2, 3]) queue.put(n).then(() => accepted.push(n));
  await settle();
  assertEquals(accepted, [1]);
  assertEquals([queue.size, queue.waitingPuts, queue.isFull], [1, 2, true]);
  assertEquals(await queue.get(), 1);
  await settle();
  assertEquals(accepted, [1, 2]);
  assertEquals([await queue.get(), await queue.get()], [2, 3]);
  await settle();
  assertEquals(accepted, [1, 2, 3]);
});

Deno.test("AsyncQueue.get() waits while the queue is empty and is served in order", async () => {
  const queue = new AsyncQueue<number>();
  const gets = [queue.get(), queue.get(), queue.get()];
  assertEquals(queue.waitingGets, 3);
  for (const n of [1, 2, 3]) await queue.put(n);
  assertEquals(await Promise.all(gets), [1, 2, 3]);
});

Deno.test("AsyncQueue takes undefined and null as ordinary items", async () => {
  const queue = new AsyncQueue<undefined | null>();
  await queue.put(undefined);
  await queue.put(null);
  assertEquals(queue.size, 2);
  assertEquals(queue.tryGet(), undefined);
  assertEquals(await queue.get(), null);
  const coming = queue.get();
  queue.tryPut(undefined);
  assertEquals(await coming, undefined);
  queue.tryPut(undefined);
  queue.close();
  assertEquals(await queue.stream().collect(), [undefined]);
});

Deno.test("AsyncQueue with maxSize 0 hands over from put to get and buffers nothing", async () => {
  const queue = new AsyncQueue<number>({ maxSize: 0 });
  assertEquals(queue.tryPut(1), false);
  const put = queue.put(1);
  assertEquals([queue.size, queue.peek()], [0, 1]);
  assertEquals(queue.tryGet(), 1);
  await put;
  const got = queue.get();
  assertEquals(queue.tryPut(2), true);
  assertEquals(await got, 2);
});

Deno.test("AsyncQueue with maxSize 0 is full but for a get that waits", async () => {
  const queue = new AsyncQueue<number>({ maxSize: 0 });
  assertEquals(queue.isFull, true);
  const got = queue.get();
  assertEquals(queue.isFull, false);
  assertEquals(queue.tryPut(1), true);
  assertEquals([await got, queue.isFull], [1, true]);
});

Deno.test("AsyncQueue is closed at the end of a block that is using it, and what is in it is still delivered", async () => {
  await using _ = nothingLeft();
  const queues: AsyncQueue<number>[] = [];
  {
    using queue = new AsyncQueue<number>();
    await using other = new AsyncQueue<number>();
    queues.push(queue, other);
    for (const open of queues) open.tryPut(1);
    assertEquals([queue.isClosed, other.isClosed], [false, false]);
  }
  for (const queue of queues) {
    assertEquals(queue.isClosed, true);
    assert(await failureOf(queue.put(2)) instanceof QueueClosedError);
    assertEquals(await queue.stream().collect(), [1]);
    queue[Symbol.dispose]();
  }
});

Deno.test("AsyncQueue loses no item when a waiting get aborts, and serves the next", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const queue = new AsyncQueue<number>();
  const aborted = failureOf(queue.get({ signal: controller.signal }));
  const next = queue.get();
  const reason = new Error("abort");
  controller.abort(reason);
  assertStrictEquals(await aborted, reason);
  await queue.put(1);
  assertEquals(await next, 1);
  assertEquals(queue.waitingGets, 0);
});

Deno.test("AsyncQueue.get() keeps an item that was handed over just before its abort", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const queue = new AsyncQueue<number>();
  const got = queue.get({ signal: controller.signal });
  queue.tryPut(1);
  controller.abort();
  assertEquals(await got, 1);
});

Deno.test("AsyncQueue withdraws the item of a put that aborts, and serves the next", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const queue = new AsyncQueue<number>({ maxSize: 1 });
  await queue.put(1);
  const aborted = failureOf(queue.put(2, { signal: controller.signal }));
  const next = queue.put(3);
  controller.abort("withdrawn");
  assertEquals(await aborted, "withdrawn");
  assertEquals([await queue.get(), await queue.get()], [1, 3]);
  await next;
});

Deno.test("AsyncQueue rejects at once, without a side effect, when the signal has aborted already", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  const signal = AbortSignal.abort("already");
  assertEquals(await failureOf(queue.put(1, { signal })), "already");
  assertEquals(queue.size, 0);
  queue.tryPut(1);
  assertEquals(await failureOf(queue.get({ signal })), "already");
  assertEquals(queue.size, 1);
});

Deno.test("AsyncQueue.close() delivers buffered items and waiting puts, then the end", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>({ maxSize: 1 });
  await queue.put(1);
  const waiting = queue.put(2);
  queue.close();
  assert(await failureOf(queue.put(3)) instanceof QueueClosedError);
  assertEquals(await queue.stream().collect(), [1, 2]);
  await waiting;
  assert(await failureOf(queue.get()) instanceof QueueClosedError);
  assertEquals(queue.tryGet(), undefined);
});

Deno.test("AsyncQueue.close() ends waiting gets and iterators", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  const got = failureOf(queue.get());
  const iterated = Array.fromAsync(queue);
  queue.close();
  assert(await got instanceof QueueClosedError);
  assertEquals(await iterated, []);
});

Deno.test("AsyncQueue.close(reason) drains and then rejects with the reason everywhere", async () => {
  await using _ = nothingLeft();
  const reason = new Error("producer failed");
  const queue = new AsyncQueue<number>();
  await queue.put(1);
  await queue.put(2);
  queue.close(reason);
  const refused = await failureOf(queue.put(3));
  assert(refused instanceof QueueClosedError);
  assertStrictEquals(refused.cause, reason);
  assertEquals(await queue.get(), 1);
  const reader = queue.stream().toReadableStream().getReader();
  assertEquals(await reader.read(), { done: false, value: 2 });
  assertStrictEquals(await failureOf(reader.read()), reason);
  assertStrictEquals(await failureOf(queue.get()), reason);
  assertStrictEquals(await failureOf(Array.fromAsync(queue)), reason);
});

Deno.test("AsyncQueue.abort() drops what is buffered and rejects whoever waits", async () => {
  await using _ = nothingLeft();
  const reason = new Error("stop");
  const full = new AsyncQueue<number>({ maxSize: 1 });
  await full.put(1);
  const put = failureOf(full.put(2));
  full.abort(reason);
  assertStrictEquals(await put, reason);
  assertEquals(full.size, 0);
  assertStrictEquals(await failureOf(full.get()), reason);
  assertStrictEquals(await failureOf(full.put(3)), reason);

  const empty = new AsyncQueue<number>();
  const get = failureOf(empty.get());
  const read = failureOf(empty.stream().collect());
  empty.abort(reason);
  assertStrictEquals(await get, reason);
  assertStrictEquals(await read, reason);
});

Deno.test("AsyncQueue takes put() and close() from inside its consumer's own callback", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  await queue.put(3);
  const seen: number[] = [];
  await queue.stream().forEach((n) => {
    seen.push(n);
    if (n > 0) queue.tryPut(n - 1);
    else queue.close();
  });
  assertEquals(seen, [3, 2, 1, 0]);
});

Deno.test("AsyncQueue serves many producers and consumers without losing or doubling an item", async () => {
  for (const maxSize of [0, 1, 7, Infinity]) {
    const queue = new AsyncQueue<number>({ maxSize });
    const seen: number[] = [];
    const consumers = Array.from({ length: 5 }, async (_, index) => {
      for await (const item of queue) {
        seen.push(item);
        if (index % 2 === 0) await null;
      }
    });
    await Promise.all(Array.from({ length: 4 }, async (_, producer) => {
      for (let n = 0; n < 100; n++) await queue.put(producer * 100 + n);
    }));
    queue.close();
    await Promise.all(consumers);
    assertEquals(
      seen.sort((a, b) => a - b),
      Array.from({ length: 400 }, (_, n) => n),
    );
  }
});

Deno.test("AsyncQueue is left as it is by a consumer that breaks", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  for (const n of [1, 2, 3]) queue.tryPut(n);
  for await (const n of queue) if (n === 1) break;
  assertEquals([queue.size, queue.isClosed], [2, false]);
  assertEquals(await queue.stream().take(1).collect(), [2]);
  assertEquals(queue.size, 1);
});

Deno.test("AsyncQueue's iterator leaves the line when it returns while it waits", async () => {
  const controller = new AbortController();
  await using _ = nothingLeft({ signals: [controller.signal] });
  const queue = new AsyncQueue<number>();
  const iterator = queue[Symbol.asyncIterator]();
  const pending = iterator.next();
  await iterator.return?.();
  assertEquals((await pending).done, true);
  assertEquals(queue.waitingGets, 0);
  const read = failureOf(
    queue.stream().collect({ signal: controller.signal }),
  );
  await settle();
  assertEquals(queue.waitingGets, 1);
  controller.abort(1);
  assertEquals(await read, 1);
  assertEquals(queue.waitingGets, 0);
  queue.tryPut(5);
  assertEquals(queue.size, 1);
});

Deno.test("AsyncQueue.readable and .writable keep the queue's backpressure", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>({ maxSize: 2 });
  let made = 0;
  const source = new ReadableStream<number>({
    pull: (controller) => controller.enqueue(made++),
  }, { highWaterMark: 0 });
  const piping = failureOf(source.pipeTo(queue.writable));
  await settle();
  assertEquals(queue.size, 2);
  assertEquals(
    made <= 4,
    true,
    `two buffered, one waiting, one piped: ${made}`,
  );
  const reader = queue.readable.getReader();
  await settle();
  assertEquals(queue.size, 2, "nothing is taken before it is read");
  assertEquals(await reader.read(), { done: false, value: 0 });
  await reader.cancel();
  assertEquals(queue.isClosed, false);
  queue.abort("stop");
  assertEquals(await piping, "stop");
});

Deno.test("AsyncQueue.writable withdraws a waiting item and aborts the queue when it is aborted", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>({ maxSize: 0 });
  const writer = queue.writable.getWriter();
  const written = failureOf(writer.write(1));
  await settle();
  assertEquals(queue.waitingPuts, 1);
  await writer.abort("stop");
  assertEquals(await written, "stop");
  assertEquals([queue.waitingPuts, queue.isClosed], [0, true]);
  await failureOf(writer.closed);
});

Deno.test("AsyncQueue.writable closes the queue and .readable delivers everything before an error", async () => {
  await using _ = nothingLeft();
  const queue = new AsyncQueue<number>();
  await ReadableStream.from([1, 2]).pipeTo(queue.writable);
  assertEquals(await Array.fromAsync(queue.readable), [1, 2]);

  const failing = new AsyncQueue<number>();
  failing.tryPut(1);
  failing.close(new Error("late"));
  const reader = failing.readable.getReader();
  assertEquals((await reader.read()).value, 1);
  assertEquals((await failureOf(reader.read()) as Error).message, "late");
});
