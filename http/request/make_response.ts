/**
 * Responses as fetch makes them: of any status that a server may send.
 *
 * @module
 */

/** Its head. */
export interface ResponseHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
}

/** True for a status that never comes with a body. */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

/**
 * A Response of this head. Servers send statuses (999, say) that fetch hands out and the
 * constructor refuses: such a one is put over another that is no success either.
 */
export function makeResponse(
  body: BodyInit | null,
  { status, statusText, headers }: ResponseHead,
): Response {
  const isKnown = status >= 200 && status <= 599;
  const response = new Response(isBodiless(status) ? null : body, {
    status: isKnown ? status : 500,
    statusText,
    headers,
  });
  if (!isKnown) Object.defineProperty(response, "status", { value: status });
  return response;
}

/** The same response with another body. */
export function copyResponse(
  body: BodyInit | null,
  response: Response,
): Response {
  const copy = makeResponse(body, response);
  const { url, redirected } = response;
  // Only where it differs: an object with properties of its own is slower from then on.
  if (url !== "") Object.defineProperty(copy, "url", { value: url });
  if (redirected) Object.defineProperty(copy, "redirected", { value: true });
  return copy;
}
