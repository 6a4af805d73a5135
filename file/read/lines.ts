/**
 * Text chunks to lines. Only LF and CRLF end a line (and a lone CR, when asked): U+2028, form feed
 * and the like are ordinary characters.
 *
 * @module
 */
import { boolean, type Checks, limitFrom } from "../../_internal/validate.ts";
import { LineTooLongError } from "../errors.ts";

/** How lines are split. */
export interface LineOptions {
  /** Keep the line ending at the end of each line. @default {false} */
  keepEnds?: boolean | undefined;
  /** A CR that no LF follows ends a line too. @default {false} */
  allowCR?: boolean | undefined;
  /**
   * Most characters (UTF-16 code units) of a line, its ending not counted. A longer one is a
   * LineTooLongError, before more of it is held in memory.
   *
   * @default {Infinity}
   */
  maxLineLength?: number | undefined;
}

/** The checks of them. */
export const LINE_CHECKS: Checks<LineOptions> = {
  keepEnds: boolean,
  allowCR: boolean,
  maxLineLength: limitFrom(1),
};

const CARRIAGE_RETURN = 13;
/** V8 has no longer strings. */
const MAX_STRING = 2 ** 29 - 24;
const NONE: string[] = [];

/** Splits chunks into lines; what follows the last line ending waits for the next chunk. */
export class LineSplitter {
  // The unfinished line. Appended to and never searched again, so that V8 keeps it as a rope and
  // a line of many chunks costs linear time.
  #carry = "";
  /** Lines handed out so far. */
  #count = 0;
  #failure: LineTooLongError | undefined;
  readonly #path: string;
  readonly #keepEnds: boolean;
  readonly #allowCR: boolean;
  readonly #maxLineLength: number;

  constructor(path: string, options: LineOptions) {
    this.#path = path;
    this.#keepEnds = options.keepEnds ?? false;
    this.#allowCR = options.allowCR ?? false;
    this.#maxLineLength = Math.min(
      options.maxLineLength ?? Infinity,
      MAX_STRING,
    );
  }

  /** An error that stops the splitting, to be thrown when the lines before it are handed out. */
  get failure(): LineTooLongError | undefined {
    return this.#failure;
  }

  /** The lines that `text` completes. */
  push(text: string): string[] {
    if (this.#failure !== undefined) return NONE;
    const lines = this.#allowCR
      ? this.#splitAllowingCR(text)
      : this.#keepEnds
      ? this.#splitKeepingEnds(text)
      : this.#split(text);
    return this.#checked(lines);
  }

  /** The last line, when no line ending follows it. */
  end(): string[] {
    if (this.#failure !== undefined || this.#carry === "") return NONE;
    let last = this.#carry;
    this.#carry = "";
    if (this.#allowCR && !this.#keepEnds && last.endsWith("\r")) {
      last = last.slice(0, -1);
    }
    return this.#checked([last]);
  }

  #split(text: string): string[] {
    const lines = text.split("\n");
    // split returns at least one string.
    const rest = lines.pop() as string;
    if (lines.length === 0) {
      this.#carry += rest;
      return NONE;
    }
    const carried = this.#carry;
    lines[0] = carried + lines[0];
    this.#carry = rest;
    if (text.includes("\r")) {
      for (let index = 0; index < lines.length; index++) {
        lines[index] = withoutReturn(lines[index] as string);
      }
    } else if (carried !== "") lines[0] = withoutReturn(lines[0]);
    return lines;
  }

  #splitKeepingEnds(text: string): string[] {
    const lines: string[] = [];
    let start = 0;
    for (
      let end = text.indexOf("\n");
      end !== -1;
      end = text.indexOf("\n", start)
    ) {
      const line = text.slice(start, end + 1);
      lines.push(start === 0 ? this.#carry + line : line);
      start = end + 1;
    }
    this.#carry = start === 0 ? this.#carry + text : text.slice(start);
    return lines;
  }

  #splitAllowingCR(text: string): string[] {
    const lines: string[] = [];
    // A CR at the end of the last chunk: whether an LF follows shows only now.
    if (this.#carry.endsWith("\r") && text !== "") {
      const end = text.startsWith("\n") ? 1 : 0;
      lines.push(
        this.#keepEnds
          ? this.#carry + text.slice(0, end)
          : this.#carry.slice(0, -1),
      );
      this.#carry = "";
      text = text.slice(end);
    }
    let start = 0;
    for (const { index, 0: ending } of text.matchAll(/\r\n|\n|\r(?!$)/g)) {
      const end = this.#keepEnds ? index + ending.length : index;
      const line = text.slice(start, end);
      lines.push(start === 0 ? this.#carry + line : line);
      if (start === 0) this.#carry = "";
      start = index + ending.length;
    }
    this.#carry = start === 0 ? this.#carry + text : text.slice(start);
    return lines;
  }

  #checked(lines: string[]): string[] {
    const limit = this.#maxLineLength;
    if (limit !== MAX_STRING) {
      for (let index = 0; index < lines.length; index++) {
        if (this.#lengthOf(lines[index] as string) > limit) {
          return this.#fail(lines.slice(0, index));
        }
      }
    }
    // One more for a CR that may turn out to be half an ending.
    if (this.#carry.length > limit + 1) return this.#fail(lines);
    this.#count += lines.length;
    return lines;
  }

  #lengthOf(line: string): number {
    if (!this.#keepEnds) return line.length;
    return line.endsWith("\r\n")
      ? line.length - 2
      : line.endsWith("\n") || (this.#allowCR && line.endsWith("\r"))
      ? line.length - 1
      : line.length;
  }

  #fail(lines: string[]): string[] {
    this.#carry = "";
    this.#failure = new LineTooLongError(
      this.#path,
      this.#count + lines.length + 1,
      this.#maxLineLength,
    );
    return lines;
  }
}

function withoutReturn(line: string): string {
  return line.charCodeAt(line.length - 1) === CARRIAGE_RETURN
    ? line.slice(0, -1)
    : line;
}
