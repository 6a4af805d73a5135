/**
 * Three layers, as a program of some size wants them: commands (arguments, exit codes),
 * operations (what it is about), runtime (HTTP, files). Each imports only the one below.
 *
 *     deno run --allow-net --allow-write three_tier.ts denoland --api https://api.example/ --out stars.json
 *
 * @module
 */
import { asyncRun } from "../mod.ts";
import { runCommand } from "./three_tier/commands.ts";

if (import.meta.main) {
  Deno.exitCode = await asyncRun(({ signal }) => runCommand(Deno.args, signal));
}
