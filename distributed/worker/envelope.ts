/**
 * Reading what travelled with a task.
 *
 * @module
 */
import type { Envelope, TakenJob } from "../engine.ts";

/** What came from the queue, checked. */
export type CheckedEnvelope = Omit<Envelope, "level">;

/** What came from the queue is data: each part is taken only if it is of its kind. */
export function readEnvelope({ envelope }: TakenJob): CheckedEnvelope {
  return {
    input: envelope.input,
    timeout: number(envelope, "timeout"),
    deadline: number(envelope, "deadline"),
    key: text(envelope, "key"),
    weight: Number.isSafeInteger(envelope.weight)
      ? number(envelope, "weight")
      : undefined,
    trace: text(envelope, "trace"),
    owner: text(envelope, "owner"),
    lostRuns: number(envelope, "lostRuns"),
  };
}

function number(
  envelope: Partial<Envelope>,
  name: "timeout" | "deadline" | "weight" | "lostRuns",
): number | undefined {
  const value: unknown = envelope[name];
  return typeof value === "number" && value >= 0 ? value : undefined;
}

function text(
  envelope: Partial<Envelope>,
  name: "key" | "trace" | "owner",
): string | undefined {
  const value: unknown = envelope[name];
  return typeof value === "string" ? value : undefined;
}
