/**
 * Checking a body by any validator that speaks Standard Schema (zod, valibot, arktype, …).
 *
 * @module
 */
import { show } from "../../_internal/validate.ts";
import { redactURL } from "../redact.ts";

/** What a schema finds wrong. */
export interface SchemaIssue {
  /** What is wrong. */
  readonly message: string;
  /** Where: keys from the outside in. */
  readonly path?:
    | ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>
    | undefined;
}

/** A schema's answer: a value, or issues. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** The part of Standard Schema (https://standardschema.dev) that is used here. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The standard's one property. */
  readonly "~standard": {
    /** Version of the standard. */
    readonly version: 1;
    /** Who made the schema. */
    readonly vendor: string;
    /** Checks a value. */
    readonly validate: (
      value: unknown,
    ) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** The types, for inference only. */
    readonly types?:
      | { readonly input: Input; readonly output: Output }
      | undefined;
  };
}

/**
 * A body does not fit its schema. `issues` says where.
 *
 * @example
 * ```ts
 * import { AsyncHTTPClient, SchemaError, type StandardSchema } from "@specify/async-core";
 *
 * const text: StandardSchema<unknown, string> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       typeof value === "string" ? { value } : { issues: [{ message: "no text" }] },
 *   },
 * };
 * await using client = new AsyncHTTPClient({ fetch: () => Promise.resolve(Response.json(1)) });
 * const error = await client.get("http://localhost/").json(text).catch((error) => error);
 * console.log(error instanceof SchemaError, error.issues); // true [{ message: "no text" }]
 * ```
 */
export class SchemaError extends Error {
  /** Always `"SchemaError"`. */
  override readonly name = "SchemaError";

  /** `what` was answered with the value. */
  constructor(
    what: string,
    /** What is wrong, and where. */
    readonly issues: readonly SchemaIssue[],
    /** What was checked. */
    readonly value: unknown,
  ) {
    const listed = issues.slice(0, 3).map((issue) =>
      `${pathOf(issue)}${issue.message}`
    ).join("; ");
    super(
      `The response of ${redactURL(what)} does not fit its schema: ${listed}${
        issues.length > 3 ? `; and ${issues.length - 3} more` : ""
      }.`,
    );
  }
}

function pathOf({ path }: SchemaIssue): string {
  if (path === undefined || path.length === 0) return "";
  return path.map((part) => String(typeof part === "object" ? part.key : part))
    .join(".") + ": ";
}

/** The schema's output for `value`. */
export async function validate<T>(
  schema: StandardSchema<unknown, T>,
  value: unknown,
  what: string,
): Promise<T> {
  const standard = (schema as Partial<StandardSchema<unknown, T>> | null)
    ?.["~standard"];
  if (typeof standard?.validate !== "function") {
    throw new TypeError(
      `schema must be a Standard Schema (zod, valibot, arktype and others make them), got ${
        show(schema)
      }`,
    );
  }
  const result = await standard.validate(value);
  if (result.issues !== undefined) {
    throw new SchemaError(what, result.issues, value);
  }
  return result.value;
}
