import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BadInputError } from "../../examples/mirror/bad_input.ts";
import { parseManifest } from "../../examples/mirror/manifest.ts";

const sha256 = "0".repeat(64);
const manifest = (...files: unknown[]) => JSON.stringify({ files });

Deno.test("parseManifest() reads what an origin serves", () => {
  const file = { path: "a/b.txt", size: 3, sha256 };
  assertEquals(parseManifest(manifest(file), "here"), { files: [file] });
});

Deno.test("parseManifest() says in one line what is wrong", () => {
  const cases: [string, string][] = [
    ["<html>", 'is no JSON: it begins with "<html>"'],
    ["", 'is no JSON: it begins with ""'],
    ["null", 'has no list "files"'],
    ['{"files": {}}', 'has no list "files"'],
    [manifest(7), "files[0]: not an object"],
    [manifest({ path: "a", size: -1, sha256 }), "size of a"],
    [manifest({ path: "a", size: 1.5, sha256 }), "size of a"],
    [manifest({ path: "a", size: 1, sha256: "ABC" }), "sha256 of a"],
    [
      manifest({ path: "a", size: 1, sha256, url: "file:///etc/passwd" }),
      "url of a",
    ],
    [
      manifest({ path: "a", size: 1, sha256 }, { path: "A", size: 1, sha256 }),
      "names A twice",
    ],
    [
      manifest(
        { path: "a/b", size: 1, sha256 },
        { path: "a", size: 1, sha256 },
      ),
      "names a and a/b, which can't both be written",
    ],
    [
      manifest(
        { path: "a.part", size: 1, sha256 },
        { path: "a", size: 1, sha256 },
      ),
      "names a and a.part, which can't both be written",
    ],
    [
      manifest(
        { path: "a", size: 1, sha256 },
        { path: "a.part", size: 1, sha256 },
      ),
      "names a and a.part, which can't both be written",
    ],
    [
      manifest(
        { path: "a.part/b", size: 1, sha256 },
        { path: "a", size: 1, sha256 },
      ),
      "names a and a.part/b, which can't both be written",
    ],
    [
      manifest(
        { path: "a.part.json.tmp", size: 1, sha256 },
        { path: "a", size: 1, sha256 },
      ),
      "names a and a.part.json.tmp, which can't both be written",
    ],
  ];
  for (const [text, expected] of cases) {
    const { message } = assertThrows(
      () => parseManifest(text, "here"),
      BadInputError,
    );
    assertStringIncludes(message, expected);
    assertEquals(message.includes("\n"), false);
  }
});

Deno.test("parseManifest() refuses every path that would leave the folder", () => {
  for (
    const path of [
      "",
      "/etc/passwd",
      "../up",
      "a/../../up",
      "a//b",
      "./a",
      "a/.",
      "a/",
      "C:\\windows",
      "C:/windows",
      "a\\b",
      "a\u0000b",
      "a\u009b31mb",
      "a\ud800b",
      7,
    ]
  ) {
    assertThrows(
      () => parseManifest(manifest({ path, size: 1, sha256 }), "here"),
      BadInputError,
      "is not a relative path inside the tree",
    );
  }
});
