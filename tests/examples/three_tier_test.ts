/**
 * The layers apart, and the program as a whole.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { summarize, sumUp } from "../../examples/three_tier/operations.ts";
import type { Runtime } from "../../examples/three_tier/runtime.ts";
import { serve } from "../support/http_servers.ts";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

const repositories = [
  { name: "small", stars: 1, archived: false },
  { name: "old", stars: 100, archived: true },
  { name: "large", stars: 7, archived: false },
];

Deno.test("three_tier: sumUp() leaves out what is archived", () => {
  assertEquals(sumUp("ada", repositories), {
    owner: "ada",
    repositories: 2,
    stars: 8,
    best: "large",
  });
});

Deno.test("three_tier: summarize() keeps the order of the owners, with a runtime that is an object", async () => {
  const runtime: Runtime = {
    fetchRepositories: async (owner) => {
      // The first is answered last.
      for (let n = 0; n < 100 - owner.charCodeAt(0) + 20; n++) await null;
      return [{ name: owner, stars: 1, archived: false }];
    },
    writeReport: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const { signal } = new AbortController();
  const owners = [..."abcdefgh"];
  const summaries = await summarize(runtime, owners, signal);
  assertEquals(summaries.map(({ best }) => best), owners);
});

testWith(
  ["net", "read", "write", "run"],
  "three_tier.ts prints, writes, and says what went wrong by its exit code",
  async () => {
    await using directory = await TemporaryDirectory.create();
    let isBusy = true;
    await using api = serve(({ url }) => {
      const { pathname } = new URL(url);
      if (!pathname.startsWith("/v1/users/ada")) {
        return new Response("no such user", { status: 404 });
      }
      if (isBusy) {
        isBusy = false;
        return new Response("busy", { status: 503 });
      }
      return Response.json(repositories);
    });
    const run = (...words: string[]) =>
      runExample("three_tier.ts", [
        "--allow-net=127.0.0.1",
        `--allow-read=${directory.root}`,
        `--allow-write=${directory.root}`,
      ], words);
    const api1 = `${api.url}/v1`;
    const [printed, unknown, wrong, help] = await Promise.all([
      run("ada", "--api", api1),
      run("ada", "nobody", "--api", api1),
      run("ada"),
      run("--help"),
    ]);
    assertEquals(printed, {
      code: 0,
      stdout: "ada: 2 repositories, 8 stars, best large\n",
      stderr: "",
    });
    assertEquals(unknown.code, 1);
    assertStringIncludes(unknown.stderr, "No such owner: http://127.0.0.1");
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stderr, "Usage:");
    assertEquals(help.code, 0);
    const out = directory.path("report.json");
    const written = await run("ada", "--api", api1, "--out", out);
    assertEquals(written, { code: 0, stdout: "", stderr: "" });
    assertEquals(JSON.parse(await Deno.readTextFile(out)), [
      { owner: "ada", repositories: 2, stars: 8, best: "large" },
    ]);
    assertEquals(await directory.names(), ["report.json"]);
  },
);
