/**
 * Tells from what fetch rejected with where the exchange was lost. Fetch gives a TypeError for
 * everything; only its text differs, and between runtimes.
 *
 * @module
 */
import { InvalidRequestError } from "../errors/invalid_request_error.ts";
import { NetworkError, type NetworkFailure } from "../errors/network_error.ts";
import { chainOf, redactError, reword } from "../redact.ts";
import { addressProblem } from "../request/request.ts";

const NETWORK =
  /fetch failed|failed to fetch|networkerror|load failed|error sending request|error reading|client error|connection|socket|terminated|network|broken pipe|unexpected end/i;
const FORBIDDEN =
  /requests to port|bad port|not supported|unknown scheme|invalid url|failed to parse url|method is not valid|method is forbidden|valid http (?:method|token)|body can ?not|invalid header|header name|header value|header content|redirect/i;
const CODES: Record<string, NetworkFailure> = {
  ENOTFOUND: "dns",
  EAI_AGAIN: "dns",
  ECONNREFUSED: "connect",
  EHOSTUNREACH: "connect",
  ENETUNREACH: "connect",
  ENETDOWN: "connect",
  ETIMEDOUT: "connect",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
  UND_ERR_SOCKET: "reset",
  UND_ERR_CONNECT_TIMEOUT: "connect",
};

/** The error to show for what fetch rejected with; anything that is none of fetch's is returned as it is. */
export function classifyFetchError(
  error: unknown,
  method: string,
  url: string,
): unknown {
  if (!(error instanceof Error) || error instanceof InvalidRequestError) {
    return error;
  }
  const text = textOf(error);
  const code = codeOf(error);
  if (error instanceof TypeError && code === undefined) {
    if (FORBIDDEN.test(text) || !NETWORK.test(text) || addressProblem(url)) {
      redactError(error, url);
      // Which is more likely than not a credential with a line break in it.
      reword(error, error.message.replace(/(header value:? ).*/is, "$1***"));
      const problem = addressProblem(url) ??
        (FORBIDDEN.test(textOf(error)) ? error.message : undefined);
      // Else it is a mistake in somebody's code rather than in the request.
      return problem === undefined
        ? error
        : new InvalidRequestError(method, url, problem, { cause: error });
    }
  } else if (code === undefined && !isSystemError(error)) return error;
  const failure = failureOf(text, code);
  redactError(error, url);
  return new NetworkError(method, url, failure, { cause: error });
}

/** The error for a body that could not be read to its end. */
export function bodyError(
  error: unknown,
  method: string,
  url: string,
): NetworkError {
  redactError(error, url);
  return new NetworkError(method, url, "body", { cause: error });
}

function failureOf(text: string, code: string | undefined): NetworkFailure {
  if (code !== undefined) return CODES[code] ?? "unknown";
  if (/dns error|lookup address|getaddrinfo/i.test(text)) return "dns";
  if (
    /certificate|tls|handshake|invalidcontenttype|corrupt message/i.test(text)
  ) {
    return "tls";
  }
  if (/reading a body|terminated/i.test(text)) return "body";
  if (/\(connect\)|refused|unreachable/i.test(text)) return "connect";
  if (
    /sendrequest|reset|closed|broken pipe|invalid http|other side/i.test(text)
  ) {
    return "reset";
  }
  return "unknown";
}

function textOf(error: Error): string {
  return Array.from(chainOf(error), ({ message }) => message).join(" ");
}

function codeOf(error: Error): string | undefined {
  for (const each of chainOf(error)) {
    const { code } = each as { code?: unknown };
    if (typeof code === "string" && code in CODES) return code;
  }
  return undefined;
}

function isSystemError(error: Error): boolean {
  return typeof Deno !== "undefined" &&
    (error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.ConnectionRefused ||
      error instanceof Deno.errors.ConnectionAborted ||
      error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.UnexpectedEof ||
      error instanceof Deno.errors.Http);
}
