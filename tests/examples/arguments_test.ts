import { assertEquals, assertThrows } from "@std/assert";
import { readArguments } from "../../examples/mirror/arguments.ts";
import { BadInputError } from "../../examples/mirror/bad_input.ts";

Deno.test("readArguments() has defaults for everything", () => {
  assertEquals(readArguments([]), {
    origin: undefined,
    folder: "./mirror",
    workers: 16,
    help: false,
  });
});

Deno.test("readArguments() takes the origin as a folder", () => {
  const { origin, folder, workers } = readArguments([
    "--workers=3",
    "http://host/tree",
    "out",
  ]);
  assertEquals([origin?.href, folder, workers], [
    "http://host/tree/",
    "out",
    3,
  ]);
});

Deno.test("readArguments() says in one line what it does not understand", () => {
  const cases: [string[], string][] = [
    [["--wrong"], "'--wrong'"],
    [["--workers"], "--workers"],
    [["--workers", "0"], 'positive integer, got "0"'],
    [["--workers", "many"], 'positive integer, got "many"'],
    [["--help=yes"], "--help"],
    [["ftp://host/"], 'http or https URL, got "ftp://host/"'],
    [["folder"], 'http or https URL, got "folder"'],
    [["http://host/", ""], "folder must not be empty"],
    [["http://host/", "a", "b"], 'got also "b"'],
  ];
  for (const [words, expected] of cases) {
    const { message } = assertThrows(
      () => readArguments(words),
      BadInputError,
      expected,
    );
    assertEquals(message.includes("\n"), false);
  }
});
