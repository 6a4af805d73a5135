/** Options for {@linkcode delay}. */
export interface DelayOptions {
  /** Signal used to abort the delay. */
  signal?: AbortSignal;
  /** Indicates whether the process should continue to run as long as the timer exists. */
  persistent?: boolean;
}
export function delay(ms: number, options?: DelayOptions): Promise<void>;
