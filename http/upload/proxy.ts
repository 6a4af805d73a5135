/**
 * The proxy that a request goes through: the client's own, or the environment's. By the rules of
 * the runtime's fetch, which node:http does not know, so that an upload goes where all calls go.
 *
 * @module
 */
import { readEnvironment } from "../../_internal/environment.ts";
import { basic } from "../auth.ts";
import type { TransportOptions } from "../options.ts";

/** A proxy, and what it is for. */
export interface Proxy {
  /** User and password are in it. */
  readonly url: URL;
  /** The requests of one scheme; `undefined`: all. */
  readonly scheme: "http:" | "https:" | undefined;
}

/** The proxies that there are; the first that fits counts. */
export function proxiesOf(own: TransportOptions["proxy"]): readonly Proxy[] {
  // Elsewhere fetch heeds neither.
  if (typeof Deno === "undefined") return [];
  const proxies: Proxy[] = [];
  const add = (url: URL | null, scheme?: Proxy["scheme"]) => {
    if (url !== null) proxies.push({ url, scheme });
  };
  if (own !== undefined) {
    const url = new URL(own.url);
    if (own.basicAuth !== undefined) {
      url.username = encodeURIComponent(own.basicAuth.username);
      url.password = encodeURIComponent(own.basicAuth.password);
    }
    add(url);
  }
  add(named("ALL_PROXY"));
  add(named("HTTPS_PROXY"), "https:");
  // Where a web server has started us, HTTP_PROXY is a header of the request.
  if (readEnvironment("REQUEST_METHOD") === undefined) {
    add(named("HTTP_PROXY"), "http:");
  }
  return proxies;
}

/** The proxy for `target`; `undefined` for none. */
export async function proxyFor(
  target: URL,
  proxies: readonly Proxy[],
): Promise<URL | undefined> {
  const proxy = proxies.find(({ scheme }) =>
    scheme === undefined || scheme === target.protocol
  );
  return proxy === undefined || await isExempt(target.hostname)
    ? undefined
    : proxy.url;
}

/** The header that names its user; none for a proxy that wants to know nobody. */
export function authorizationOf(
  { username, password }: URL,
): Record<string, string> {
  if (username === "" && password === "") return {};
  return {
    "proxy-authorization": basic({
      username: decoded(username),
      password: decoded(password),
    }),
  };
}

/** What is escaped in a part of an address; a `%` that escapes nothing stays. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

function named(variable: string): URL | null {
  return parsed(readEnvironment(variable)) ??
    parsed(readEnvironment(variable.toLowerCase()));
}

/** Fetch overlooks what it cannot read, too. */
function parsed(text = ""): URL | null {
  const url = URL.parse(text.includes("://") ? text : `http://${text}`);
  return url !== null && /^(https?|socks\w*):$/.test(url.protocol) ? url : null;
}

/** True for a host that NO_PROXY names: a domain with all below it, an address, a range of them. */
async function isExempt(hostname: string): Promise<boolean> {
  const names = (readEnvironment("NO_PROXY") ?? readEnvironment("no_proxy") ??
    "").split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length === 0) return false;
  const { BlockList, isIP } = await import("node:net");
  const host = hostname.replace(/^\[|\]$/g, "");
  const version = isIP(host);
  if (version === 0) {
    return names.some((name) =>
      name === "*" ||
      `.${host}`.endsWith(name.startsWith(".") ? name : `.${name}`)
    );
  }
  const width = version === 4 ? 32 : 128;
  const family = `ipv${version}` as "ipv4" | "ipv6";
  const exempt = new BlockList();
  for (const name of names) {
    const [address = "", bits = `${width}`] = name.split("/");
    if (
      isIP(address) === version && /^\d+$/.test(bits) && Number(bits) <= width
    ) exempt.addSubnet(address, Number(bits), family);
  }
  return exempt.check(host, family);
}
