/**
 * Bare `deno test` gives no permission. A test that needs one says so with this and is ignored
 * without it, which shows in its name.
 *
 * @module
 */

/** Far longer than any takes on a busy machine: one that hangs fails by its name, and the rest goes on. */
const LONGEST = 240_000;

/**
 * Like `Deno.test`, for tests that need permissions.
 *
 * @example
 * ```ts ignore
 * testWith(["read", "write"], "asyncCopyFile() copies", async () => { … });
 * ```
 */
export function testWith(
  needed: Deno.PermissionName[],
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
  options: Omit<Deno.TestDefinition, "name" | "fn"> = {},
): void {
  const missing = needed.filter((permission) =>
    Deno.permissions.querySync(
      { name: permission } as Deno.PermissionDescriptor,
    )
      .state !== "granted"
  );
  Deno.test({
    timeout: LONGEST,
    ...options,
    name: missing.length === 0
      ? name
      : `${name} (needs ${
        missing.map((permission) => `--allow-${permission}`).join(" ")
      })`,
    ignore: options.ignore === true || missing.length > 0,
    fn,
  });
}
