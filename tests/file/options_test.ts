import { assert, assertMatch, assertRejects } from "@std/assert";
import {
  asyncCopyFile,
  AsyncDirectoryWatcher,
  asyncFileExists,
  AsyncFileReader,
  AsyncFileWriter,
  asyncHashFile,
  asyncMkdir,
  asyncReadFile,
  asyncWriteFile,
  readAll,
  walkAsync,
} from "../../file/mod.ts";
import { nothingLeft } from "../support/nothing_left.ts";

/** Everything that takes options, with what it takes. No path is touched: there is no permission. */
const calls: {
  name: string;
  call: (options: never) => unknown;
  switches: string[];
}[] = [
  {
    name: "asyncReadFile",
    call: (options) => asyncReadFile("a", options),
    switches: ["fatal"],
  },
  {
    name: "asyncWriteFile",
    call: (options) => asyncWriteFile("a", "", options),
    switches: ["atomic", "fsync"],
  },
  {
    name: "asyncCopyFile",
    call: (options) => asyncCopyFile("a", "b", options),
    switches: ["overwrite", "preserveTimestamps"],
  },
  {
    name: "asyncHashFile",
    call: (options) => asyncHashFile("a", options),
    switches: [],
  },
  {
    name: "asyncFileExists",
    call: (options) => asyncFileExists("a", options),
    switches: ["followSymlinks"],
  },
  {
    name: "asyncMkdir",
    call: (options) => asyncMkdir("a", options),
    switches: ["parents"],
  },
  {
    name: "walkAsync",
    call: (options) => walkAsync("a", options),
    switches: ["followSymlinks", "includeDirs", "sort"],
  },
  {
    name: "readAll",
    call: (options) => readAll([], options),
    switches: ["fatal", "ordered"],
  },
  {
    name: "AsyncFileReader",
    call: (options) => new AsyncFileReader("a", options),
    switches: ["fatal"],
  },
  {
    name: "AsyncFileWriter",
    call: (options) => new AsyncFileWriter("a", options),
    switches: ["atomic", "fsync"],
  },
  {
    name: "AsyncDirectoryWatcher",
    call: (options) => new AsyncDirectoryWatcher("a", options),
    switches: ["recursive", "initial"],
  },
];
/** The methods of a reader, which have no signal of their own. */
const methods: typeof calls = [
  {
    name: "streamLines",
    call: (options) => new AsyncFileReader("a").streamLines(options),
    switches: ["keepEnds", "allowCR"],
  },
  {
    name: "streamJson",
    call: (options) => new AsyncFileReader("a").streamJson(options),
    switches: [],
  },
  {
    name: "tail",
    call: (options) => new AsyncFileReader("a").tail(options),
    switches: ["follow"],
  },
];

const option = (name: string, value: unknown) => ({ [name]: value }) as never;

Deno.test("everything in file/ refuses options that are no object, naming what it got", async () => {
  await using _ = nothingLeft();
  for (const { name, call } of [...calls, ...methods]) {
    for (
      const [value, shown] of [[null, "null"], ["x", "a string"], [
        5,
        "5",
      ]] as const
    ) {
      await assertRejects(
        async () => await call(value as never),
        TypeError,
        `options must be an object, got ${shown}`,
        name,
      );
    }
  }
  await assertRejects(
    async () => await new AsyncFileReader("a").streamBytes(5 as never),
    TypeError,
    "range must be an object, got 5",
  );
});

Deno.test("everything in file/ refuses a switch that is no boolean, naming it", async () => {
  await using _ = nothingLeft();
  for (const { name, call, switches } of [...calls, ...methods]) {
    for (const one of switches) {
      for (
        const [value, shown] of [["false", '"false"'], [0, "0"], [null, "null"]]
      ) {
        await assertRejects(
          async () => await call(option(one as string, value)),
          TypeError,
          `${one} must be true or false, got ${shown}`,
          name,
        );
      }
    }
  }
});

Deno.test("everything in file/ refuses a signal, a runner and callbacks that are none, naming them", async () => {
  await using _ = nothingLeft();
  for (const value of [null, 5, "x", {}]) {
    for (const { name, call } of calls) {
      await assertRejects(
        async () => await call(option("signal", value)),
        TypeError,
        "signal must be an AbortSignal",
        name,
      );
      if (!["asyncCopyFile", "walkAsync", "readAll"].includes(name)) continue;
      await assertRejects(
        async () => await call(option("runner", value)),
        TypeError,
        "runner must have a submit",
        name,
      );
      await assertRejects(
        async () => await call(option("priority", value)),
        Error,
        "priority must be",
        name,
      );
    }
    for (
      const call of [
        () => asyncCopyFile("a", "b", option("onProgress", value)),
        () => asyncHashFile("a", option("onProgress", value)),
      ]
    ) {
      await assertRejects(call, TypeError, "onProgress must be a function");
    }
  }
  await assertRejects(
    async () => await walkAsync("a", option("ignoreFiles", 5)),
    TypeError,
    "ignoreFiles must be a file's name or an array of them, got 5",
  );
});

Deno.test("readAll() refuses what is wrong for all files at once, whatever onError says", async () => {
  await using _ = nothingLeft();
  for (
    const [wrong, message] of [
      [{ encoding: "no such" }, "encoding must be one that TextDecoder knows"],
      [{ as: "lines" }, 'as must be one of "text", "bytes", got "lines"'],
    ] as const
  ) {
    await assertRejects(
      async () =>
        await readAll(["a"], { ...wrong, onError: "skip" } as never).collect(),
      RangeError,
      message,
    );
  }
});

Deno.test("asyncHashFile() refuses a part that makes no sense", async () => {
  await using _ = nothingLeft();
  for (
    const [part, message] of [
      [{ start: -1 }, "start must be a non-negative integer, got -1"],
      [{ start: 5, end: 2 }, "end must be at least start (5), got 2"],
      [{ end: NaN }, "end must be a non-negative integer or Infinity, got NaN"],
    ] as const
  ) {
    await assertRejects(() => asyncHashFile("a", part), RangeError, message);
  }
});

Deno.test("everything in file/ refuses options that it does not know, and names those that it knows", async () => {
  const options = option("atmoic", true);
  for (const { name, call } of calls) {
    const error = await assertRejects(
      async () => await call(options as never),
      TypeError,
    );
    assertMatch(
      error.message,
      / has no option "(range\.)?atmoic"; it takes \w+/,
      name,
    );
  }
  // What is left out is left out, whatever it is called.
  assert(new AsyncFileReader("a", option("atmoic", undefined) as object));
});
