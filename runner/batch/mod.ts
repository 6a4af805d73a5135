/**
 * Unstable: the face of a runner on an engine of one's own. What implements `BatchHost` gets
 * gather, map, race, any and scope as AsyncRunner has them, with the parts that a host is made of.
 *
 * This may change in any version, without notice and without a line in the changelog, until it is
 * documented: `@specify/async-distributed` is made with it.
 *
 * @module
 */
export { type AbortSubscription, onAbort } from "../../_internal/abort.ts";
export { abortError, timeoutError } from "../../_internal/errors.ts";
export { Conditions } from "../../_internal/conditions.ts";
export { type LateFailure, lateFailure } from "../../_internal/late_failure.ts";
export { ReadyGate } from "../../_internal/ready_gate.ts";
export { withResolvers } from "../../_internal/resolvers.ts";
export {
  type TimerEntry,
  type TimerQueue,
  timers,
  type TimerTarget,
} from "../../_internal/timer_queue.ts";
export {
  boolean,
  type Check,
  checkOptions,
  checkPriority,
  type Checks,
  checkSignal,
  duration,
  finiteDuration,
  functionNamed,
  integerFrom,
  limitFrom,
  type NumberCheck,
  object,
  optionsBy,
  positiveDuration,
  priorityOption,
  show,
  string,
  text,
  word,
} from "../../_internal/validate.ts";
export {
  type AcceptedWork,
  Admission,
  type Refusal,
} from "../scheduler/admission.ts";
export { markHandled } from "../scheduler/handle.ts";
export { SCHEDULER_CHECKS, SUBMIT_CHECKS } from "../scheduler/options.ts";
export { checkShutdownOptions } from "../scheduler/shutdown.ts";
export { Observers, type TaskEvent, tellLate } from "../scheduler/observers.ts";
export { checkOpen, type RaceOptions } from "./batch.ts";
export { gather, type GatherOptions } from "./gather.ts";
export type { BatchHost, HostJob, JobOwner, LimitFollower } from "./host.ts";
export { map, type MapFunction, type RunnerMapOptions } from "./map.ts";
export { any, race } from "./race.ts";
export { scope, type ScopeOptions, type TaskScope } from "./scope.ts";
