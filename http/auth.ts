/**
 * The `Authorization` header, and its renewal: once, however many calls find it expired.
 *
 * @module
 */
import {
  type Check,
  type Checks,
  kindOf,
  optionsBy,
  required,
  secret,
  string,
} from "../_internal/validate.ts";
import { originOf } from "./request/request.ts";
import { untilAbort } from "../_internal/until_abort.ts";

/** A token that can be renewed. */
export interface TokenAuth {
  /**
   * Returns the token. Called before the first request, and again when a request made with
   * `expired` was answered 401; calls meanwhile wait for the same promise. A request of the same
   * client's that it makes needs `auth: false`: it would wait for itself.
   */
  token: (context: TokenContext) => string | Promise<string>;
  /** Written before the token; `""` for none. @default {"Bearer"} */
  scheme?: string | undefined;
}

/** What `token` is given. */
export interface TokenContext {
  /** The token that was refused; `undefined` at the first call. */
  readonly expired: string | undefined;
}

/** A user and a password, sent as Basic. */
export interface BasicAuth {
  /** The user's name. */
  username: string;
  /** The password. */
  password: string;
}

/** The header's value as it is, a user and a password, or a token that can be renewed. */
export type Auth = string | BasicAuth | TokenAuth;

/** The checks of a user and a password. */
export const BASIC_CHECKS: Checks<BasicAuth> = {
  username: required(secret),
  password: required(secret),
};

const TOKEN_CHECKS: Checks<TokenAuth> = {
  token: required((name, value) => {
    if (typeof value === "function") return;
    // Not shown: it may be the token itself.
    throw new TypeError(`${name} must be a function, got ${kindOf(value)}`);
  }),
  scheme: string,
};

/** The check of an `auth` option: of which kind it is shows by what it has. */
export const authOption: Check = (name, value) => {
  if (typeof value === "string") return;
  if (typeof value === "object" && value !== null) {
    if ("token" in value) return optionsBy(TOKEN_CHECKS)(name, value);
    if ("username" in value) return optionsBy(BASIC_CHECKS)(name, value);
  }
  throw new TypeError(
    `${name} must be a string, { username, password } or { token }, got ${
      kindOf(value)
    }`,
  );
};

/** A user and a password as the header's value. */
export function basic({ username, password }: BasicAuth): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** A token that is being asked for. */
interface Asking {
  readonly by: Authenticator;
  isOver: boolean;
}

interface AsyncStorage {
  run<T>(store: Asking, fn: () => T): T;
  getStore(): Asking | undefined;
}

/** Finds out who is called within `token`; there is none where the runtime cannot tell (browsers). */
let storage: AsyncStorage | undefined;

function askingStorage(): AsyncStorage | undefined {
  if (storage !== undefined) return storage;
  const { process } = globalThis as {
    process?: {
      getBuiltinModule?: (
        name: string,
      ) => { AsyncLocalStorage: new () => AsyncStorage } | undefined;
    };
  };
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  return storage = hooks && new hooks.AsyncLocalStorage();
}

/** Keeps the present token. */
export class Authenticator {
  // Invariant: at most one #pending at a time; #token is the last that it gave. A call that was
  // refused with an older token than #token simply takes #token.
  readonly #source: TokenAuth | undefined;
  readonly #prefix: string;
  readonly #origin: string | undefined;
  #token: string | undefined;
  #pending: Promise<string> | undefined;

  /** With a `baseUrl`, the header goes to its origin only. */
  constructor(auth: Auth, baseUrl: string | undefined) {
    this.#origin = baseUrl === undefined ? undefined : originOf(baseUrl);
    this.#prefix = "";
    if (typeof auth === "string") this.#token = auth;
    else if ("token" in auth) {
      this.#source = auth;
      const { scheme = "Bearer" } = auth;
      this.#prefix = scheme === "" ? "" : `${scheme} `;
    } else this.#token = basic(auth);
  }

  /** True when a 401 can be answered with another token. */
  get renews(): boolean {
    return this.#source !== undefined;
  }

  /** True when requests to this address carry the header. */
  appliesTo(url: string): boolean {
    return this.#origin === undefined || originOf(url) === this.#origin;
  }

  /** The present token. */
  token(signal: AbortSignal): string | Promise<string> {
    return this.#token ?? untilAbort(this.#fetch(undefined), signal);
  }

  /** A token other than `refused`. */
  renew(refused: string, signal: AbortSignal): string | Promise<string> {
    return this.#token !== undefined && this.#token !== refused
      ? this.#token
      : untilAbort(this.#fetch(refused), signal);
  }

  /** The header's value. */
  header(token: string): string {
    return this.#prefix + token;
  }

  /** One caller's abort ends its own wait, not the renewal that others wait for too. */
  #fetch(expired: string | undefined): Promise<string> {
    const asking = storage?.getStore();
    if (asking?.by === this && !asking.isOver) {
      return Promise.reject(
        new TypeError(
          "auth.token made a request that needs the token which it is to return. Give that request auth: false.",
        ),
      );
    }
    return this.#pending ??= this.#ask(expired).finally(() => {
      this.#pending = undefined;
    });
  }

  async #ask(expired: string | undefined): Promise<string> {
    // Only reached with a source: a fixed token is never missing and never renewed.
    const ask = () => this.#source!.token({ expired });
    const storage = askingStorage();
    const asking: Asking = { by: this, isOver: false };
    let token: string;
    try {
      token = await (storage === undefined ? ask() : storage.run(asking, ask));
    } finally {
      asking.isOver = true;
    }
    if (typeof token !== "string") {
      throw new TypeError(
        `auth.token must return a string, got ${kindOf(token)}`,
      );
    }
    this.#token = token;
    return token;
  }
}
