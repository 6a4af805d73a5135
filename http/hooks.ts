/**
 * Functions that see what goes out and comes in, and may change it.
 *
 * @module
 */
import { type Checks, functionNamed } from "../_internal/validate.ts";
import type { BodyFactory, BodySource } from "./request/request.ts";

/** A request as hooks see it. Changes are sent. */
export interface HTTPRequest {
  /** The method, in capitals. */
  method: string;
  /** The absolute address. */
  url: string;
  /** The headers. */
  headers: Headers;
  /** The body; `undefined` for none. */
  body: BodySource | BodyFactory | undefined;
}

/** What `beforeRequest` is given. */
export interface BeforeRequestContext {
  /** The request; changes are sent. */
  readonly request: HTTPRequest;
  /** Aborts when the call is given up. */
  readonly signal: AbortSignal;
}

/** What `beforeRetry` is given. */
export interface BeforeRetryContext extends BeforeRequestContext {
  /** Attempts made so far. */
  readonly attempt: number;
  /** The failure: what was thrown, or an HTTPStatusError for a response. */
  readonly error: unknown;
  /** Milliseconds until the next attempt. */
  readonly delay: number;
}

/** What `afterResponse` is given. */
export interface AfterResponseContext extends BeforeRequestContext {
  /** The response. Reading its body here leaves none for the caller: `clone()` it first. */
  readonly response: Response;
  /** Attempts made so far. */
  readonly attempt: number;
  /** To be returned for another attempt, whatever the status; the policy's count still holds. */
  readonly retry: typeof RETRY;
}

/** What `beforeError` is given. */
export interface BeforeErrorContext {
  /** What the call is about to reject with. */
  readonly error: unknown;
  /** The request. */
  readonly request: HTTPRequest;
}

/** The hooks, each called in the order in which it is described. */
export interface HTTPHooks {
  /** Before the first attempt. A returned Response is the answer, and nothing is sent. */
  beforeRequest?:
    | ((
      context: BeforeRequestContext,
    ) => void | Response | Promise<void | Response>)
    | undefined;
  /** Before each further attempt, before the wait. Returning `false` ends the call with the failure. */
  beforeRetry?:
    | ((
      context: BeforeRetryContext,
    ) => void | boolean | Promise<void | boolean>)
    | undefined;
  /** After each response. A returned Response takes its place; `context.retry` asks for another attempt. */
  afterResponse?:
    | ((
      context: AfterResponseContext,
    ) =>
      | void
      | Response
      | typeof RETRY
      | Promise<void | Response | typeof RETRY>)
    | undefined;
  /** Before the call rejects. A returned error takes its place. */
  beforeError?:
    | ((context: BeforeErrorContext) => unknown)
    | undefined;
}

/** The checks of those functions. */
export const HOOK_CHECKS: Checks<HTTPHooks> = {
  beforeRequest: functionNamed,
  beforeRetry: functionNamed,
  afterResponse: functionNamed,
  beforeError: functionNamed,
};

/** Asks for another attempt, returned by `afterResponse`. */
export const RETRY: unique symbol = Symbol("retry");
