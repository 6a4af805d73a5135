import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { analyzeLogs } from "../../examples/log_analysis.ts";
import { generateLogs } from "../../examples/log_analysis/generate.ts";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";

testWith(
  ["read", "write", "run"],
  "log_analysis.ts counts every line and finds the bad quarter of an hour",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await generateLogs(directory.path("logs"), 3, 20_000);
    await directory.write("logs/notes.txt", "no log\n");
    const path = directory.path("report.json");
    const { code, stderr } = await runExample("log_analysis.ts", [
      `--allow-read=${directory.root}`,
      `--allow-write=${directory.root}`,
    ], [directory.path("logs"), path]);
    assertEquals([code, stderr], [0, ""]);
    const report = JSON.parse(await Deno.readTextFile(path));
    assertEquals(report.files, 3);
    assertEquals(report.lines, 3 * 20_020);
    assertEquals(report.malformed, 3 * 20);
    assertEquals(Object.keys(report.paths), [
      "/",
      "/cart",
      "/item/17",
      "/login",
      "/search",
    ]);
    const counts = Object.values<number>(report.paths);
    assertEquals(counts.reduce((a, b) => a + b), 60_000);
    assertEquals(report.incident.from, "2026-01-31T12:00");
    assertEquals(report.incident.to, "2026-01-31T12:14");
    assertEquals(await directory.names(), ["logs", "report.json"]);
  },
);

testWith(
  ["read", "write"],
  "log_analysis: an abort ends the reading and leaves the old report",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await generateLogs(directory.path("logs"), 3, 20_000);
    const path = await directory.write("report.json", "old");
    const controller = new AbortController();
    const reason = new Error("enough");
    const analysis = analyzeLogs(
      directory.path("logs"),
      path,
      controller.signal,
    );
    setTimeout(() => controller.abort(reason), 5);
    assertStrictEquals(await assertRejects(() => analysis), reason);
    assertEquals(await Deno.readTextFile(path), "old");
    assertEquals(await directory.names(), ["logs", "report.json"]);
  },
);

testWith(
  ["read", "write"],
  "log_analysis: an abort ends the generating of logs",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    const reason = new Error("enough");
    const generating = generateLogs(
      directory.path("logs"),
      1000,
      20_000,
      controller.signal,
    );
    setTimeout(() => controller.abort(reason), 5);
    assertStrictEquals(await assertRejects(() => generating), reason);
  },
);
