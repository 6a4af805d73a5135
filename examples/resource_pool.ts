/**
 * A database behind pools: SQLite in WAL mode, which allows one writer and many readers at a time.
 * So one pool has a single connection that writes, another has four that read. Transfers between
 * accounts run concurrently, and whoever reads sees a sum that is always the same.
 *
 *     deno run --allow-read --allow-write resource_pool.ts
 *
 * @module
 */
import { delay } from "@std/async";
import { DatabaseSync } from "node:sqlite";
import { asyncRun, AsyncRunner, ResourcePool } from "../mod.ts";

/** A bank whose data is in the file `path`. */
export class Bank implements AsyncDisposable {
  readonly #writers: ResourcePool<DatabaseSync>;
  readonly #readers: ResourcePool<DatabaseSync>;

  constructor(path: string, accounts: number) {
    const open = (readOnly: boolean) => {
      const database = new DatabaseSync(path, { readOnly });
      database.exec("PRAGMA busy_timeout = 1000");
      return database;
    };
    const shared = {
      validate: (database: DatabaseSync) => database.isOpen,
      cleanup: (database: DatabaseSync) => database.close(),
      acquireTimeout: 5_000,
    };
    this.#writers = new ResourcePool({
      ...shared,
      maxResources: 1,
      factory: () => open(false),
    });
    this.#readers = new ResourcePool({
      ...shared,
      maxResources: 4,
      idleTimeout: 30_000,
      factory: () => open(true),
    });
    const database = open(false);
    database.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0));
    `);
    const insert = database.prepare("INSERT INTO account VALUES (?, 100)");
    for (let id = 0; id < accounts; id++) insert.run(id);
    database.close();
  }

  /** Moves money, or nothing at all. */
  transfer(from: number, to: number, amount: number): Promise<void> {
    return this.#writers.use(async (database) => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const add = database.prepare(
          "UPDATE account SET balance = balance + ? WHERE id = ?",
        );
        add.run(amount, to);
        // Others run here, in the middle of the transaction: the lease keeps them off it.
        await delay(1);
        add.run(-amount, from); // fails when the account does not hold so much
        database.exec("COMMIT");
      } catch (error) {
        database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /** What all accounts hold together, read in two steps from one snapshot. */
  total(): Promise<number> {
    return this.#readers.use(async (database) => {
      database.exec("BEGIN");
      try {
        const sum = database.prepare(
          "SELECT sum(balance) AS sum FROM account WHERE id % 2 = ?",
        );
        const even = Number(sum.get(0)?.sum);
        // Transfers end here; this connection sees what was when it began.
        await delay(3);
        return even + Number(sum.get(1)?.sum);
      } finally {
        database.exec("COMMIT");
      }
    });
  }

  /** How many connections there are, for reading and writing. */
  get connections(): { readers: number; writers: number } {
    return {
      readers: this.#readers.stats.total,
      writers: this.#writers.stats.total,
    };
  }

  /** Waits for whoever is using a connection, then closes them. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#readers.close(), this.#writers.close()]);
  }
}

async function main(signal: AbortSignal): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await using bank = new Bank(`${directory}/bank.sqlite`, 10);
    await using runner = new AsyncRunner({ maxWorkers: 20, signal });
    const transfers = Array.from(
      { length: 200 },
      (_, n) => () => bank.transfer(n % 10, n % 4, 30),
    );
    const totals = Array.from({ length: 200 }, () => () => bank.total());
    const [outcomes, seen] = await Promise.all([
      runner.gather(transfers, { settled: true }),
      runner.gather(totals),
    ]);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    console.log(`${outcomes.length - refused.length} transfers`);
    console.log(`${refused.length} refused for want of money`);
    console.log(`Totals seen: ${[...new Set(seen)].join(", ")}`);
    console.log("Connections:", bank.connections);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

if (import.meta.main) await asyncRun(({ signal }) => main(signal));
