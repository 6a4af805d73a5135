/**
 * The checks of a call's options, for those whose own options hold them too. What is nested in an
 * option is checked by the call.
 *
 * @module
 */
import {
  boolean,
  type Check,
  type Checks,
  checkSignal,
  functionNamed,
  integerFrom,
  limitFrom,
  priorityOption,
  runnerOption,
} from "../../_internal/validate.ts";
import type { RequestOptions, SharedOptions } from "../options.ts";

const byTheCall: Check = () => {};

/** What a client has a default for. */
export const SHARED_CHECKS: Checks<SharedOptions> = {
  timeout: byTheCall,
  retryPolicy: byTheCall,
  circuitBreaker: byTheCall,
  hedge: byTheCall,
  auth: byTheCall,
  hooks: byTheCall,
  runner: (name, value) => value === false || runnerOption(name, value),
  priority: priorityOption,
  maxResponseBytes: limitFrom(0),
  maxRedirects: integerFrom(0),
  fetch: functionNamed,
};

/** One call's. */
export const REQUEST_CHECKS: Checks<RequestOptions> = {
  ...SHARED_CHECKS,
  headers: byTheCall,
  query: byTheCall,
  body: byTheCall,
  json: byTheCall,
  form: byTheCall,
  signal: checkSignal,
  sendOnce: boolean,
  init: byTheCall,
};
