/**
 * An HTTP client on fetch that survives bad networks.
 *
 * @module
 */
export { UnsupportedRuntimeError } from "../_internal/errors.ts";
export type { Auth, BasicAuth, TokenAuth, TokenContext } from "./auth.ts";
export { asyncBatchRequests, BatchResults } from "./batch/batch.ts";
export type { BatchRequest, BatchRequestOptions } from "./batch/batch_run.ts";
export { BreakerRegistry, CircuitBreaker } from "./breaker/circuit_breaker.ts";
export type {
  BreakerRegistryOptions,
  CircuitBreakerOptions,
  CircuitStateChange,
  CircuitWindow,
} from "./breaker/circuit_breaker.ts";
export { CircuitState } from "./breaker/circuit_state.ts";
export type {
  ChecksumAlgorithm,
  ExpectedChecksum,
} from "./download/checksum.ts";
export { AsyncHTTPClient } from "./client.ts";
export type { HTTPClientStats } from "./client.ts";
export { asyncDownload } from "./download/download.ts";
export type {
  DownloadOptions,
  DownloadProgress,
  DownloadResult,
} from "./download/options.ts";
export { CircuitOpenError } from "./errors/circuit_open_error.ts";
export {
  ChecksumError,
  DownloadBusyError,
  DownloadError,
} from "./errors/download_error.ts";
export { HTTPStatusError } from "./errors/http_status_error.ts";
export type { HTTPStatusErrorOptions } from "./errors/http_status_error.ts";
export { HTTPTimeoutError } from "./errors/http_timeout_error.ts";
export type { TimeoutKind } from "./errors/http_timeout_error.ts";
export { InvalidRequestError } from "./errors/invalid_request_error.ts";
export { NetworkError } from "./errors/network_error.ts";
export type { NetworkFailure } from "./errors/network_error.ts";
export { RedirectError } from "./errors/redirect_error.ts";
export { ResponseParseError } from "./errors/response_parse_error.ts";
export { ResponseTooLargeError } from "./errors/response_too_large_error.ts";
export { RetryError } from "./errors/retry_error.ts";
export { UploadError } from "./errors/upload_error.ts";
export { hedge, HedgeLostError } from "./retry/hedge.ts";
export type {
  HedgeCallOptions,
  HedgeContext,
  HedgeOptions,
} from "./retry/hedge.ts";
export type {
  AfterResponseContext,
  BeforeErrorContext,
  BeforeRequestContext,
  BeforeRetryContext,
  HTTPHooks,
  HTTPRequest,
  RETRY,
} from "./hooks.ts";
export type {
  AsyncHTTPClientOptions,
  FetchFunction,
  RequestOptions,
  SharedOptions,
  TimeoutOptions,
  TransportOptions,
} from "./options.ts";
export type {
  BodyContext,
  BodyFactory,
  BodySource,
  HeaderInit,
  Query,
  QueryValue,
} from "./request/request.ts";
export type { ResponsePromise } from "./call/response_promise.ts";
export { RetryBudget } from "./retry/retry_budget.ts";
export type { RetryBudgetOptions } from "./retry/retry_budget.ts";
export { RetryPolicy } from "./retry/retry_policy.ts";
export type {
  Jitter,
  RetryOutcome,
  RetryPolicyOptions,
} from "./retry/retry_policy.ts";
export { SchemaError } from "./request/schema.ts";
export type {
  SchemaIssue,
  SchemaResult,
  StandardSchema,
} from "./request/schema.ts";
export { asyncUpload } from "./upload/upload.ts";
export type { UploadOptions } from "./upload/upload.ts";
export type { UploadProgress } from "./upload/upload_body.ts";
export type { UploadInput } from "./upload/upload_source.ts";
export { withRetry } from "./retry/with_retry.ts";
export type { RetryContext, WithRetryOptions } from "./retry/with_retry.ts";
