/**
 * Acquire and release: 10 resources, 50 callers, 100,000 leases. Beside generic-pool and tarn,
 * with the price of each option.
 *
 * @module
 */
import { createPool } from "generic-pool";
import { Pool as TarnPool } from "tarn";
import { ResourcePool, type ResourcePoolOptions } from "../runner/mod.ts";

const RESOURCES = 10;
const CALLERS = 50;
const LEASES = 100_000;
const RUNS = { n: 7, warmup: 2 };

/** `CALLERS` loops that share `LEASES` turns. */
async function share(turn: () => Promise<void>): Promise<void> {
  let left = LEASES;
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (left-- > 0) await turn();
    }),
  );
}

async function ours(
  options: Partial<ResourcePoolOptions<object>> = {},
): Promise<void> {
  await using pool = new ResourcePool<object>({
    maxResources: RESOURCES,
    factory: () => ({}),
    ...options,
  });
  await share(async () => {
    const lease = await pool.acquire();
    await null;
    lease.release();
  });
}

const group =
  `pool: ${RESOURCES} resources, ${CALLERS} callers, ${LEASES} leases`;

Deno.bench(
  "ResourcePool",
  { group, baseline: true, ...RUNS },
  async () => await ours(),
);

Deno.bench("generic-pool", { group, ...RUNS }, async () => {
  const pool = createPool<object>({
    create: () => Promise.resolve({}),
    destroy: () => Promise.resolve(),
  }, { max: RESOURCES });
  await share(async () => {
    const resource = await pool.acquire();
    await null;
    await pool.release(resource);
  });
  await pool.drain();
  await pool.clear();
});

Deno.bench("tarn", { group, ...RUNS }, async () => {
  const pool = new TarnPool<object>({
    create: () => ({}),
    destroy: () => {},
    min: 0,
    max: RESOURCES,
  });
  await share(async () => {
    const resource = await pool.acquire().promise;
    await null;
    pool.release(resource);
  });
  await pool.destroy();
});

const options = "pool: what the options cost";
Deno.bench(
  "ResourcePool, no option",
  { group: options, baseline: true, ...RUNS },
  async () => await ours(),
);
Deno.bench(
  "ResourcePool, acquireTimeout 60 s",
  { group: options, ...RUNS },
  async () => await ours({ acquireTimeout: 60_000 }),
);
Deno.bench(
  "ResourcePool, idleTimeout and maxLifetime",
  { group: options, ...RUNS },
  async () => await ours({ idleTimeout: 60_000, maxLifetime: 600_000 }),
);
Deno.bench(
  "ResourcePool, synchronous validate",
  { group: options, ...RUNS },
  async () => await ours({ validate: () => true }),
);
Deno.bench(
  "ResourcePool, trackLeaks",
  { group: options, ...RUNS },
  async () => await ours({ trackLeaks: true }),
);
