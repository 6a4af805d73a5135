/**
 * Where a part of a value is, as people write it.
 *
 * @module
 */

/** `$.files[3]["a b"]`. */
export function pathText(path: readonly (string | number)[]): string {
  return "$" +
    path.map((part) =>
      typeof part === "number"
        ? `[${part}]`
        : /^[A-Za-z_$][\w$]*$/.test(part)
        ? `.${part}`
        : `[${JSON.stringify(part)}]`
    ).join("");
}
