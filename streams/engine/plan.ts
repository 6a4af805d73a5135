/**
 * The description of a stream: an origin and the operators after it. A plan does nothing by
 * itself; each run of it composes its operators anew.
 *
 * @module
 */
import { isThenable } from "../../_internal/thenable.ts";
import { Run } from "./engine.ts";
import { later } from "./later.ts";
import { MappedIterator } from "./mapped_iterator.ts";
import { outputSink, PullIterator } from "./pull_iterator.ts";
import type {
  Mapper,
  Operator,
  Origin,
  PullableIterator,
  Push,
  Wait,
} from "./types.ts";

/** Under this key an AsyncStream keeps its plan, where the operators find it. */
export const PLAN: unique symbol = Symbol("plan");

/** From so many maps in a row on, one loop over them is quicker than a push for each. */
const MANY_MAPS = 8;

/** See the module. Immutable: `then` makes a new one that shares what comes before. */
export class Plan<T> {
  /** Where the elements come from. */
  readonly origin: Origin<unknown>;
  readonly #operator: Operator<unknown, unknown> | undefined;
  readonly #previous: Plan<unknown> | undefined;
  /** What the operator maps by, when it is a plain map. */
  readonly #mapper: Mapper<unknown, unknown> | undefined;
  /** Whether every operator is a plain map. */
  readonly #onlyMaps: boolean;

  private constructor(
    origin: Origin<unknown>,
    operator?: Operator<unknown, unknown>,
    previous?: Plan<unknown>,
    mapper?: Mapper<unknown, unknown>,
  ) {
    this.origin = origin;
    this.#operator = operator;
    this.#previous = previous;
    this.#mapper = mapper;
    this.#onlyMaps = previous === undefined ||
      (mapper !== undefined && previous.#onlyMaps);
  }

  /** The plan of a source without operators. */
  static of<T>(origin: Origin<T>): Plan<T> {
    return new Plan<T>(origin as Origin<unknown>);
  }

  /** This plan with one more operator at its end; `mapper` when that only maps. */
  then<U>(operator: Operator<T, U>, mapper?: Mapper<T, U>): Plan<U> {
    return new Plan<U>(
      this.origin,
      operator as unknown as Operator<unknown, unknown>,
      this as Plan<unknown>,
      mapper as Mapper<unknown, unknown> | undefined,
    );
  }

  /** Whether there is nothing after the origin. */
  get isBare(): boolean {
    return this.#previous === undefined;
  }

  /** A run whose elements end up in `sink`. */
  run(sink: (run: Run, level: number) => Push<T>): Run {
    const operators: Operator<unknown, unknown>[] = [];
    let plan = this as Plan<unknown>;
    while (plan.#previous !== undefined && plan.#operator !== undefined) {
      const { mappers, before } = plan.#trailingMaps();
      if (mappers.length >= MANY_MAPS) {
        operators.push(mapAll(mappers));
        plan = before;
      } else {
        operators.push(plan.#operator);
        plan = plan.#previous;
      }
    }
    return new Run(
      this.origin,
      operators.reverse(),
      sink as (run: Run, level: number) => Push<unknown>,
    );
  }

  /** The plain maps at the end of this plan, in order, and the plan before them. */
  #trailingMaps(): {
    mappers: Mapper<unknown, unknown>[];
    before: Plan<unknown>;
  } {
    const mappers: Mapper<unknown, unknown>[] = [];
    let plan = this as Plan<unknown>;
    while (plan.#mapper !== undefined && plan.#previous !== undefined) {
      mappers.push(plan.#mapper);
      plan = plan.#previous;
    }
    return { mappers: mappers.reverse(), before: plan };
  }

  /** A run for a reader of whom nothing is known: it may ask for several elements at once. */
  iterateForAnyone(): AsyncIterableIterator<T> {
    if (this.isBare || !this.#onlyMaps) return this.iterate();
    return new MappedIterator<T>(
      Plan.of(this.origin).iterate(),
      this.#trailingMaps().mappers,
    );
  }

  /** A run that is read one by one. */
  iterate(): PullIterator<T> {
    return new PullIterator<T>(this.run(outputSink));
  }
}

/**
 * Several maps in a row as one operator. They see the same index, and a loop over them costs a
 * fraction of a push for each, and no stack.
 */
function mapAll(
  fns: readonly Mapper<unknown, unknown>[],
): Operator<unknown, unknown> {
  return (next, run, level) => {
    let index = 0;
    const mapFrom = (place: number, value: unknown, index: number): Wait => {
      for (; place < fns.length; place++) {
        // Within the array.
        value = fns[place]!(value, index);
        if (isThenable(value)) {
          return later(
            run,
            level,
            value,
            (value) => mapFrom(place + 1, value, index),
          );
        }
      }
      return next(value);
    };
    return (value) => mapFrom(0, value, index++);
  };
}

/** An operator that reads by itself: from what comes before it to an iterator of ours. */
export type ReadingOperator<T, U> = (plan: Plan<T>) => PullableIterator<U>;

/** The plan of `value` if it is an AsyncStream. */
export function planOf<T>(value: unknown): Plan<T> | undefined {
  return (value as { [PLAN]?: Plan<T> } | null | undefined)?.[PLAN];
}
