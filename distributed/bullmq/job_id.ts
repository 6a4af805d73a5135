/**
 * Ids of tasks as ids of BullMQ's jobs: any text, while BullMQ accepts no colon and no id that is
 * a whole number.
 *
 * @module
 */

/** The id that a task's job has. */
export function toJobId(id: string): string {
  const escaped = id.replace(
    /[%:]/g,
    (character) => character === "%" ? "%25" : "%3A",
  );
  return /^\d+$/.test(escaped) ? `%i${escaped}` : escaped;
}

/** The id of the task that a job stands for. */
export function fromJobId(jobId: string): string {
  if (!jobId.includes("%")) return jobId;
  return /^%i\d+$/.test(jobId)
    ? jobId.slice(2)
    : jobId.replace(/%25|%3A/g, (code) => code === "%25" ? "%" : ":");
}
