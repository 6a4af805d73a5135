/**
 * Work in a slot of somebody's runner.
 *
 * @module
 */

/** A task's work, as `submit` takes it. */
type Work<T, Context> = (context: Context) => Promise<T>;

/**
 * Submits `work`, and settles as its handle does, but not before the work has really ended: a
 * cancelled handle settles at once, while what it has opened is still open. The work must end by
 * the signal that its task gives it.
 */
export async function asTask<T, Context>(
  submit: (work: Work<T, Context>) => PromiseLike<T>,
  work: Work<T, Context>,
): Promise<T> {
  let running: Promise<T> | undefined;
  try {
    return await submit((context) => running = work(context));
  } catch (error) {
    // What it ends with is the handle's affair, or comes too late for anybody.
    await running?.catch(() => {});
    throw error;
  }
}
