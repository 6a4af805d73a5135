/**
 * JSON Lines: one JSON value in each line.
 *
 * @module
 */
import {
  type Checks,
  limitFrom,
  wordOrFunction,
} from "../../_internal/validate.ts";
import { JsonLineError } from "../errors.ts";
import type { BatchSource } from "../../streams/engine/types.ts";
import type { LineSource } from "./sources.ts";

/** Options for {@linkcode AsyncFileReader.streamJson}. */
export interface JsonLineOptions {
  /**
   * What to do about a line that is not JSON: `"throw"` ends the stream, `"skip"` leaves the line
   * out, a function is told and the stream goes on.
   *
   * @default {"throw"}
   */
  onError?: "throw" | "skip" | ((error: JsonLineError) => void) | undefined;
  /** Most characters (UTF-16 code units) of a line. @default {Infinity} */
  maxLineLength?: number | undefined;
}

/** Parses each line of `lines`; blank lines are left out. */
export class JsonLineSource<T> implements BatchSource<T> {
  readonly closesWhilePending = true;
  readonly #lines: LineSource;
  readonly #path: string;
  readonly #onError: JsonLineOptions["onError"];
  #count = 0;
  /** An error that waits until the values before it are handed out. */
  #failure: JsonLineError | undefined;

  constructor(
    lines: LineSource,
    path: string,
    onError: JsonLineOptions["onError"],
  ) {
    this.#lines = lines;
    this.#path = path;
    this.#onError = onError;
  }

  async pull(): Promise<readonly T[] | undefined> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      const lines = await this.#lines.pull();
      if (lines === undefined) return undefined;
      const values: T[] = [];
      for (const line of lines) {
        this.#count++;
        if (line === "") continue;
        let value: T;
        try {
          value = JSON.parse(line);
        } catch (cause) {
          if (isBlank(line)) continue;
          const column = jsonErrorIndex(line) + 1;
          const error = new JsonLineError(this.#path, this.#count, column, {
            cause,
          });
          if (this.#onError === "skip") continue;
          if (typeof this.#onError === "function") {
            // An async function is one that returns void too: its rejection must not be lost.
            await this.#onError(error);
            continue;
          }
          if (values.length === 0) throw error;
          this.#failure = error;
          return values;
        }
        values.push(value);
      }
      return values;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#lines.close();
  }

  /** Bytes of the file, so far. */
  get bytesRead(): number {
    return this.#lines.bytesRead;
  }
}

/** The checks of them. */
export const JSON_LINE_CHECKS: Checks<JsonLineOptions> = {
  onError: wordOrFunction("throw", "skip"),
  maxLineLength: limitFrom(1),
};

function isBlank(line: string): boolean {
  return /^[ \t\r]*$/.test(line);
}

/**
 * Where `text` stops being JSON, as an index. The messages of JSON.parse do not always say, and
 * each engine says it in its own words. Only ever called for a text that JSON.parse refused.
 */
export function jsonErrorIndex(text: string): number {
  return new JsonScanner(text).scan();
}

// Any code unit from the space on, save the quote and the backslash.
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

/** Reads JSON with a stack of its own, so that a deeply nested line does not overflow ours. */
class JsonScanner {
  readonly #text: string;
  #index = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): number {
    const open: ("[" | "{")[] = [];
    for (;;) {
      this.#take(SPACE);
      // A value is due.
      const next = this.#text[this.#index];
      if (next === "[" || next === "{") {
        this.#index++;
        this.#take(SPACE);
        if (!this.#skip(next === "[" ? "]" : "}")) {
          open.push(next);
          if (next === "{" && !this.#key()) return this.#index;
          continue;
        }
      } else if (!this.#scalar(next)) return this.#index;
      // A value has ended: close what ends with it, up to the next comma.
      for (;;) {
        this.#take(SPACE);
        const container = open.at(-1);
        if (container === undefined) return this.#index;
        if (this.#skip(",")) {
          if (container === "{" && !this.#key()) return this.#index;
          break;
        }
        if (!this.#skip(container === "[" ? "]" : "}")) return this.#index;
        open.pop();
      }
    }
  }

  #key(): boolean {
    this.#take(SPACE);
    if (!this.#string()) return false;
    this.#take(SPACE);
    return this.#skip(":");
  }

  #scalar(next: string | undefined): boolean {
    if (next === '"') return this.#string();
    return this.#take(WORD) || this.#take(NUMBER);
  }

  #string(): boolean {
    return this.#take(STRING) && this.#skip('"');
  }

  #skip(character: string): boolean {
    if (this.#text[this.#index] !== character) return false;
    this.#index++;
    return true;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#index;
    if (!pattern.test(this.#text)) return false;
    this.#index = pattern.lastIndex;
    return true;
  }
}
