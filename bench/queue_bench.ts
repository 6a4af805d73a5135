/**
 * AsyncQueue beside what is used in its place: capacity 16, one producer, one consumer, 100,000
 * items. (`Channel` of @std/async is unstable and not to be had from npm, so it is missing.)
 *
 * @module
 */
import { AsyncQueue } from "../streams/mod.ts";

const COUNT = 100_000;
const CAPACITY = 16;
const TIMES = { n: 20, warmup: 5 };
const group = `queue of ${CAPACITY}: ${COUNT} items`;

Deno.bench(
  "AsyncQueue, put and get",
  { group, baseline: true, ...TIMES },
  async () => {
    const queue = new AsyncQueue<number>({ maxSize: CAPACITY });
    const producing = (async () => {
      for (let n = 0; n < COUNT; n++) await queue.put(n);
    })();
    for (let n = 0; n < COUNT; n++) await queue.get();
    await producing;
  },
);

Deno.bench(
  "AsyncQueue, tryPut or put, read by its stream",
  { group, ...TIMES },
  async () => {
    const queue = new AsyncQueue<number>({ maxSize: CAPACITY });
    const producing = (async () => {
      for (let n = 0; n < COUNT; n++) if (!queue.tryPut(n)) await queue.put(n);
      queue.close();
    })();
    await queue.stream().count();
    await producing;
  },
);

Deno.bench(
  "AsyncQueue, put, read by for await",
  { group, ...TIMES },
  async () => {
    const queue = new AsyncQueue<number>({ maxSize: CAPACITY });
    const producing = (async () => {
      for (let n = 0; n < COUNT; n++) await queue.put(n);
      queue.close();
    })();
    let count = 0;
    for await (const _ of queue) count++;
    await producing;
  },
);

/** The least that does it: no order of waiters, no signals, no close. */
class BareRing {
  readonly #items: number[] = new Array(CAPACITY).fill(0);
  #head = 0;
  #size = 0;
  #wakePut: (() => void) | undefined;
  #wakeGet: (() => void) | undefined;

  async put(item: number): Promise<void> {
    while (this.#size === CAPACITY) {
      await new Promise<void>((resolve) => this.#wakePut = resolve);
    }
    this.#items[(this.#head + this.#size++) % CAPACITY] = item;
    this.#wakeGet?.();
    this.#wakeGet = undefined;
  }

  async get(): Promise<number> {
    while (this.#size === 0) {
      await new Promise<void>((resolve) => this.#wakeGet = resolve);
    }
    const item = this.#items[this.#head] ?? 0;
    this.#head = (this.#head + 1) % CAPACITY;
    this.#size--;
    this.#wakePut?.();
    this.#wakePut = undefined;
    return item;
  }
}

Deno.bench("bare hand-written ring", { group, ...TIMES }, async () => {
  const queue = new BareRing();
  const producing = (async () => {
    for (let n = 0; n < COUNT; n++) await queue.put(n);
  })();
  for (let n = 0; n < COUNT; n++) await queue.get();
  await producing;
});

Deno.bench("TransformStream as a queue", { group, ...TIMES }, async () => {
  const { readable, writable } = new TransformStream<number, number>(
    undefined,
    { highWaterMark: CAPACITY },
  );
  const writer = writable.getWriter();
  const producing = (async () => {
    for (let n = 0; n < COUNT; n++) {
      await writer.ready;
      writer.write(n);
    }
    await writer.close();
  })();
  const reader = readable.getReader();
  while (!(await reader.read()).done);
  await producing;
});
