/**
 * What is promised of large things, at their full size.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { assert, assertEquals } from "@std/assert";
import { AsyncFileReader } from "../../../file/mod.ts";
import type { MemoryReport } from "../../support/file_memory_process.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const config = fromFileUrl(new URL("../../../deno.json", import.meta.url));
const program = fromFileUrl(
  new URL("../../support/file_memory_process.ts", import.meta.url),
);

/** In a process of its own: the garbage of other tests would count. */
async function measure(work: string, path: string): Promise<MemoryReport> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-check",
      // For less, Deno lets nobody into /dev.
      "--allow-all",
      `--config=${config}`,
      "--v8-flags=--expose-gc",
      program,
      work,
      path,
    ],
  }).output();
  const text = new TextDecoder();
  try {
    return JSON.parse(text.decode(stdout));
  } catch {
    throw new Error(text.decode(stderr));
  }
}

testWith(
  ["read", "write", "run"],
  "walkAsync() holds a bounded part of a tree of 100,000 files",
  async () => {
    await using directory = await TemporaryDirectory.createForMany();
    for (let i = 0; i < 1_000; i++) {
      Deno.mkdirSync(directory.path(`${i}`));
      for (let j = 0; j < 100; j++) {
        Deno.writeFileSync(directory.path(`${i}/${j}.txt`), NOTHING);
      }
    }
    for (const way of ["walk", "walk, sorted", "walk, asynchronous"]) {
      const { result, most } = await measure(way, directory.root);
      assertEquals(result, 100_000);
      // All the entries together take 14 MB.
      assert(most < 4_000_000, `${way}: ${most} bytes`);
    }
  },
);

const NOTHING = new Uint8Array(0);

testWith(
  ["read", "write", "run"],
  "AsyncFileReader.streamLines() holds no more than the limit when a line of 128 MB passes it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = directory.path("long");
    {
      using file = await Deno.create(path);
      await file.truncate(128_000_000);
    }
    const { result, most } = await measure("line too long", path);
    assertEquals(result, "LineTooLongError");
    assert(most < 3_000_000, `${most} bytes`);
  },
);

testWith(
  ["read", "write"],
  "AsyncFileReader.streamLines() reads a line of 128 MB in linear time",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const timeOf = async (size: number) => {
      const path = directory.path(`${size}`);
      {
        using file = await Deno.create(path);
        await file.truncate(size);
      }
      await Deno.writeTextFile(path, "\nend", { append: true });
      const start = performance.now();
      const lines = await collect(new AsyncFileReader(path).streamLines());
      assertEquals(lines.map((line) => line.length), [size, 3]);
      return performance.now() - start;
    };
    // Four times as long, on a machine that does other things too; naive joining takes 26 s. The best
    // of three: the machine may have stood still in one.
    const times: number[][] = [];
    let isLinear = false;
    while (!isLinear && times.length < 3) {
      const quarter = await timeOf(32_000_000);
      const whole = await timeOf(128_000_000);
      times.push([quarter, whole]);
      isLinear = whole < 12 * quarter + 1_000;
    }
    assert(isLinear, `ms for 32 MB and for 128 MB: ${times.join("; ")}`);
  },
);
