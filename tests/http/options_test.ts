/**
 * One check for each option, whatever takes it.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AsyncHTTPClient,
  CircuitBreaker,
  hedge,
  RetryBudget,
  RetryPolicy,
  withRetry,
} from "../../http/mod.ts";

const ADDRESS = "http://localhost/";

/** A client whose calls reach nothing. */
function client(options: object = {}): AsyncHTTPClient {
  return new AsyncHTTPClient({
    fetch: () => Promise.resolve(new Response("")),
    ...options,
  });
}

function ofClient(options: object): AsyncHTTPClient {
  return client(options);
}

async function ofCall(options: object): Promise<void> {
  await using own = client();
  await own.get(ADDRESS, options);
}

/** Everything that takes options, with one that it takes. */
const calls: [
  name: string,
  call: (options: object) => unknown,
  known: string,
][] = [
  ["AsyncHTTPClient", ofClient, "baseUrl"],
  ["A call of AsyncHTTPClient", ofCall, "sendOnce"],
  ["RetryPolicy", (options) => new RetryPolicy(options), "maxRetries"],
  ["RetryBudget", (options) => new RetryBudget(options), "budget.ratio"],
  ["CircuitBreaker", (options) => new CircuitBreaker(options), "halfOpenMax"],
  [
    "CircuitBreaker.perOrigin()",
    (options) => CircuitBreaker.perOrigin(options),
    "idleTimeout",
  ],
  [
    "CircuitBreaker.call()",
    (options) => new CircuitBreaker().call(() => 1, options),
    "signal",
  ],
  ["withRetry()", (options) => withRetry(() => 1, {}, options), "onRetry"],
  [
    "hedge()",
    (options) => hedge(() => 1, { delay: 1, ...options }),
    "delay, max, signal",
  ],
];

/** Options of an option, as a client and its calls take them. */
const nested: [within: string, valid: object, known: string][] = [
  ["timeout", {}, "timeout.attempt"],
  ["hedge", { delay: 1 }, "hedge.max"],
  ["hooks", {}, "hooks.beforeRetry"],
  ["auth", { token: () => "t" }, "auth.scheme"],
  ["auth", { username: "u", password: "p" }, "auth.username"],
];

async function refusal(call: () => unknown): Promise<string> {
  const { message } = await assertRejects(
    async () => await call(),
    TypeError,
  );
  return message;
}

function assertNames(message: string, unknown: string, known: string): void {
  assert(message.includes(`has no option "${unknown}"; it takes `), message);
  assert(message.includes(known), message);
}

Deno.test("everything in http/ that takes options refuses those that it does not know, and names those that it knows", async () => {
  for (const [name, call, known] of calls) {
    const within = name === "RetryBudget" ? "budget." : "";
    const message = await refusal(() => call({ retires: 3 }));
    assert(message.startsWith(`${name} has no option`), message);
    assertNames(message, `${within}retires`, known);
    // What is left out is left out, whatever it is called.
    await call({ retires: undefined });
  }
});

Deno.test("AsyncHTTPClient and its calls refuse what the options of an option do not know", async () => {
  for (const call of [ofClient, ofCall]) {
    for (const [within, valid, known] of nested) {
      const message = await refusal(() =>
        call({ [within]: { ...valid, other: 1 } })
      );
      assertNames(message, `${within}.other`, known);
      await call({ [within]: valid });
    }
    assertNames(
      await refusal(() => call({ retryPolicy: { retires: 3 } })),
      "retires",
      "maxRetries",
    );
    assertNames(
      await refusal(() => call({ circuitBreaker: { threshold: 3 } })),
      "threshold",
      "failureThreshold",
    );
  }
  for (
    const [transport, unknown] of [
      [{ pool: 1 }, "transport.pool"],
      [{ proxy: { url: ADDRESS, user: "u" } }, "transport.proxy.user"],
      [
        { proxy: { url: ADDRESS, basicAuth: { user: "u" } } },
        "transport.proxy.basicAuth.user",
      ],
    ] as const
  ) {
    assertNames(
      await refusal(() => ofClient({ transport })),
      unknown,
      unknown.slice(0, unknown.lastIndexOf(".")),
    );
  }
  assertNames(
    await refusal(() =>
      new CircuitBreaker(
        { window: { duration: 1, failureRate: 1, calls: 1 } } as object,
      )
    ),
    "window.calls",
    "window.minimumCalls",
  );
});

Deno.test("AsyncHTTPClient and its calls take a TaskPriority as priority, and nothing else", async () => {
  for (const call of [ofClient, ofCall]) {
    for (const priority of [0, 1, 2, 3, 4]) await call({ priority });
    for (
      const [priority, expected] of [
        [9, RangeError],
        [-1, RangeError],
        [1.5, RangeError],
        ["HIGH", TypeError],
        [null, TypeError],
      ] as const
    ) {
      const error = await assertRejects(
        async () => await call({ priority }),
        expected,
      );
      assert(
        error.message.startsWith(
          "priority must be a TaskPriority (0 CRITICAL to 4 BACKGROUND), got ",
        ),
        error.message,
      );
    }
  }
});

Deno.test("an option that must be given is missed by its name", async () => {
  for (
    const [call, message] of [
      [() => hedge(() => 1, {} as never), "delay must be"],
      [() => ofClient({ hedge: { max: 1 } }), "hedge.delay must be"],
      [
        () => new CircuitBreaker({ window: { failureRate: 1 } } as object),
        "window.duration must be",
      ],
      [
        () => new CircuitBreaker({ window: { duration: 1 } } as object),
        "window.failureRate must be",
      ],
      [() => ofCall({ auth: { token: undefined } }), "auth.token must be"],
      [() => ofCall({ auth: { username: "u" } }), "auth.password must be"],
      [
        () => ofClient({ transport: { proxy: {} } }),
        "transport.proxy.url must be",
      ],
    ] as const
  ) {
    const refused = await refusal(call);
    assert(refused.startsWith(message), refused);
  }
});

Deno.test("AsyncHTTPClient shows no secret in the error for a wrong option", async () => {
  const secret = 5318008;
  const text = `SECRET${secret}`;
  for (
    const options of [
      { auth: secret },
      { auth: [text] },
      { auth: { token: text } },
      { auth: { token: secret } },
      { auth: { username: secret, password: "p" } },
      { auth: { username: "u", password: secret } },
      { auth: { username: "u", password: "p", [`other`]: text } },
      { transport: { cert: secret } },
      { transport: { key: secret } },
      { transport: { key: [text] } },
      { transport: { caCerts: text } },
      { transport: { proxy: { url: `http://user:${text}@` } } },
      { transport: { proxy: { url: `${text}@host` } } },
      { transport: { proxy: `http://user:${text}@host` } },
      { transport: { proxy: { url: ADDRESS, basicAuth: `user:${text}` } } },
      { headers: `authorization: ${text}` },
      {
        transport: {
          proxy: {
            url: ADDRESS,
            basicAuth: { username: "u", password: secret },
          },
        },
      },
      { baseUrl: `//user:${text}@host/?key=${text}` },
    ]
  ) {
    const message = await refusal(() => ofClient(options));
    assert(!message.includes(`${secret}`), message);
  }
  const token = () => secret as unknown as string;
  const message = await refusal(() => ofCall({ auth: { token } }));
  assertEquals(
    message,
    "auth.token must return a string, got a value of type number",
  );
});
