/**
 * The program that the smoke suite is bundled into. In a page or a page's worker it asks the server
 * it came from and reports to it; elsewhere the server's origin is the argument and the report
 * goes to standard output.
 *
 * @module
 */
import { runSmoke } from "./smoke.ts";

const { process, location, document } = globalThis as {
  process?: { argv: string[] };
  location?: { origin: string };
  document?: unknown;
};

if (process === undefined && location !== undefined) {
  const report = await runSmoke(location.origin);
  await fetch(`/report?${document === undefined ? "worker" : "page"}`, {
    method: "POST",
    body: JSON.stringify(report),
  });
} else {
  const report = await runSmoke(process?.argv[2] ?? "");
  console.log(JSON.stringify(report));
}
