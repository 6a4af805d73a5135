/** An error thrown when trying to execute an invalid operation on fake time. */
export class TimeError extends Error {
  constructor(message: string);
}
/** The option for {@linkcode FakeTime}. */
export interface FakeTimeOptions {
  /** The rate relative to real time at which fake time is updated. */
  advanceRate: number;
  /** The frequency in milliseconds at which fake time is updated. */
  advanceFrequency?: number;
}
/** Overrides the real Date object and timer functions with fake ones. */
export class FakeTime {
  constructor(
    start?: number | string | Date | null,
    options?: FakeTimeOptions,
  );
  static restore(): void;
  static restoreFor<T>(
    // deno-lint-ignore no-explicit-any
    callback: (...args: any[]) => Promise<T> | T,
    // deno-lint-ignore no-explicit-any
    ...args: any[]
  ): Promise<T>;
  get now(): number;
  set now(value: number);
  get start(): number;
  delay(
    ms: number,
    options?: { signal?: AbortSignal; persistent?: boolean },
  ): Promise<void>;
  runMicrotasks(): Promise<void>;
  tick(ms?: number): void;
  tickAsync(ms?: number): Promise<void>;
  next(): boolean;
  nextAsync(): Promise<boolean>;
  runAll(): void;
  runAllAsync(): Promise<void>;
  restore(): void;
  [Symbol.dispose](): void;
}
