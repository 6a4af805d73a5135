/**
 * Ids that no other process makes, and short.
 *
 * @module
 */

let counter = 0;
let prefixOfIds: string | undefined;

/** A new id. */
export function newId(): string {
  prefixOfIds ??= crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  return `${prefixOfIds}-${++counter}`;
}
