/**
 * A call's credentials: put into its request, taken out of it, and found to be refused.
 *
 * @module
 */
import type { Call } from "./call.ts";
import type { Exchange } from "./exchange.ts";

/** Puts the header into the call's request. */
export function authorize(call: Call, token: string): void {
  call.token = token;
  const authorization = call.settings.auth!.header(token); // only called with it
  call.headers = { ...call.headers, authorization };
  // What hooks see is what they leave to be sent.
  call.request?.headers.set("authorization", authorization);
}

/** Takes it out again where a hook has led the call to an address that must not see it. */
export function keepToOrigin(call: Call): void {
  const { auth } = call.settings;
  if (
    auth === undefined || call.token === undefined || auth.appliesTo(call.url)
  ) return;
  const { authorization, ...headers } = call.headers ?? {};
  // Another than ours is the hook's own.
  if (authorization !== auth.header(call.token)) return;
  call.headers = headers;
  call.token = undefined;
  call.request?.headers.delete("authorization");
}

/** True when the token was refused, by a server that it was sent to, and another can be had. */
export function refusesToken(exchange: Exchange): boolean {
  const { call, response, leftOrigin } = exchange;
  // A redirect to another origin has left the token behind: that 401 says nothing of it.
  return response?.status === 401 && !leftOrigin &&
    call.token !== undefined && call.settings.auth?.renews === true &&
    call.body?.replayable !== false;
}
