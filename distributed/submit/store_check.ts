/**
 * Checks what is open against the store: after every reconnect and now and then, so that an event
 * that was missed loses nothing.
 *
 * @module
 */
import type { ClusterHandle } from "../cluster_handle.ts";
import type { Engine, Found, Outcome } from "../engine.ts";
import { TaskNotFoundError } from "../errors.ts";
import { INTERVALS } from "../intervals.ts";
import { isUnsettled, type OpenTask, type OpenTasks } from "./open_tasks.ts";
import type { StoreLink } from "./store_link.ts";

/** Records that one question to the store asks for. */
const AT_ONCE = 500;
/** How long the event of a task whose record is gone may take to arrive. */
export const EVENT_WITHIN = 1000;

/** What is done with what the store says. */
export interface StoreCheckOptions {
  readonly started: (id: string) => void;
  readonly ended: (task: OpenTask, outcome: Outcome) => void;
  /** The store does not know the task, and no event tells of it. */
  readonly missing: (task: OpenTask, error: Error) => void;
  readonly failed: (error: unknown) => void;
}

/** Asks the store what became of tasks, and does what their events would have done. */
export class StoreCheck {
  // Invariant: #missing holds the open tasks whose record was not found, each with the timer after
  // which it is looked for once more. At most one round over everything is under way.
  readonly #engine: Engine;
  readonly #link: StoreLink;
  readonly #open: OpenTasks;
  readonly #options: StoreCheckOptions;
  readonly #missing = new Map<OpenTask, ReturnType<typeof setTimeout>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isRunning = false;
  #isWantedAgain = false;

  constructor(
    engine: Engine,
    link: StoreLink,
    open: OpenTasks,
    options: StoreCheckOptions,
  ) {
    this.#engine = engine;
    this.#link = link;
    this.#open = open;
    this.#options = options;
  }

  /** Begins to check now and then. Once: a timer for each task would cost more than it does. */
  start(): void {
    this.#timer ??= setInterval(() => this.all(), INTERVALS.storeCheck);
  }

  /** Checks everything. Never rejects. */
  async all(): Promise<void> {
    this.#isWantedAgain = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#isWantedAgain) {
        this.#isWantedAgain = false;
        await this.#round();
      }
    } catch (error) {
      this.#options.failed(error);
    } finally {
      this.#isRunning = false;
    }
  }

  async #round(): Promise<void> {
    if (this.#open.size === 0) return;
    await this.#link.readClock();
    const ids = [...this.#open]
      .filter(({ handles }) => handles.some(({ isStored }) => isStored))
      .map(({ id }) => id);
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      // All have ended meanwhile, or the runner has.
      if (this.#open.size === 0) return;
      await this.look(ids.slice(start, start + AT_ONCE));
    }
  }

  /** Asks for the task of a handle that was attached. Should this fail, the next check asks. */
  async ask(handle: ClusterHandle<unknown>): Promise<void> {
    try {
      await this.#link.open();
      handle.isStored = true;
      await this.look([handle.id]);
      handle.isAsking = false;
      // For what happened between that answer and now.
      if (!handle.hasEnded) await this.look([handle.id]);
    } finally {
      handle.isAsking = false;
    }
  }

  /** Looks for some tasks. */
  async look(ids: readonly string[]): Promise<void> {
    // What was submitted or attached to since is another task, and not asked for.
    const tasks = ids.map((id) => this.#open.get(id));
    const found = await this.#engine.find(ids);
    tasks.forEach((task, index) => {
      if (task === undefined || this.#open.get(task.id) !== task) return;
      this.#learn(task, found[index]);
    });
  }

  #learn(task: OpenTask, found: Found | undefined): void {
    if (found !== undefined) {
      this.notMissing(task);
      if (found.outcome !== undefined) {
        this.#options.ended(task, found.outcome);
      } else if (found.isRunning) this.#options.started(task.id);
      return;
    }
    if (task.handles[0]?.isAsking || !task.handles.some(isUnsettled)) {
      return this.#options.missing(task, new TaskNotFoundError(task.id));
    }
    // Its policy may remove a record before the event has come here.
    if (this.#missing.has(task)) return;
    this.#missing.set(
      task,
      setTimeout(
        () => this.#lookAgain(task).catch(this.#options.failed),
        EVENT_WITHIN,
      ),
    );
  }

  async #lookAgain(task: OpenTask): Promise<void> {
    let found: Found | undefined;
    try {
      [found] = await this.#engine.find([task.id]);
    } finally {
      this.#missing.delete(task);
    }
    if (this.#open.get(task.id) !== task) return;
    if (found !== undefined) this.#learn(task, found);
    else this.#options.missing(task, new TaskNotFoundError(task.id));
  }

  /** The task was found, or has ended: it is not missing. */
  notMissing(task: OpenTask): void {
    clearTimeout(this.#missing.get(task));
    this.#missing.delete(task);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const timer of this.#missing.values()) clearTimeout(timer);
    this.#missing.clear();
  }
}
