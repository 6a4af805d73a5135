/**
 * Loaded before a test file in the first run: at its end it writes which mutants its tests reached.
 * The instrumented code counts what is reached by the test that it is told, and apart from that what
 * is reached while no test runs: what every import of a module does says nothing about a test.
 *
 * @module
 */
interface Counting {
  __stryker__?: {
    currentTestId?: string;
    mutantCoverage?: { perTest: Record<string, Record<string, number>> };
  };
}

const counting = globalThis as Counting;

Deno.test.beforeAll(() => {
  (counting.__stryker__ ??= {}).currentTestId = "all";
});

addEventListener("unload", () => {
  const { all = {} } = counting.__stryker__?.mutantCoverage?.perTest ?? {};
  const path = Deno.env.get("MUTANTS_REACHED");
  if (path !== undefined) {
    Deno.writeTextFileSync(path, JSON.stringify(Object.keys(all)));
  }
});
