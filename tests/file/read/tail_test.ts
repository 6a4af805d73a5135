import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  AsyncFileReader,
  LineTooLongError,
  type TailOptions,
} from "../../../file/mod.ts";
import { FakeTime } from "@std/testing/time";
import { macrotask } from "../../../_internal/macrotask.ts";
import { DisposedError } from "../../../_internal/errors.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import {
  collect,
  TemporaryDirectory,
} from "../../support/temporary_directory.ts";
import { openFiles } from "../../support/open_files.ts";
import { testWith } from "../../support/permissions.ts";
import { until } from "../../support/real_time.ts";

const needed: Deno.PermissionName[] = ["read", "write"];

/** Follows a file in the background. */
class Follower implements AsyncDisposable {
  readonly lines: string[] = [];
  readonly done: Promise<unknown>;
  readonly #reader: AsyncFileReader;

  constructor(path: string, options: TailOptions = {}) {
    const reader = this.#reader = new AsyncFileReader(path);
    this.done = (async () => {
      for await (
        const line of reader.tail({
          follow: true,
          ...options,
        })
      ) this.lines.push(line);
    })().catch((error) => error);
  }

  /** The next `count` lines, and what comes shortly after. */
  async take(count: number): Promise<string[]> {
    const deadline = performance.now() + 60_000;
    while (this.lines.length < count && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise((resolve) => setTimeout(resolve, 60));
    return this.lines.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    await this.done;
  }
}

const append = (path: string, text: string) =>
  Deno.writeTextFile(path, text, { append: true });

testWith(needed, "AsyncFileReader.tail() yields the last lines", async () => {
  await using directory = await TemporaryDirectory.create();
  const tail = async (
    content: string | Uint8Array,
    lines?: number,
    encoding?: string,
  ) => {
    await using reader = new AsyncFileReader(
      await directory.write("log", content),
      { encoding },
    );
    return await collect(reader.tail({ lines }));
  };
  assertEquals(await tail("1\n2\n3\n", 2), ["2", "3"]);
  assertEquals(await tail("1\n2\n3", 2), ["2", "3"]);
  assertEquals(await tail("1\r\n2\r\n\r\n", 2), ["2", ""]);
  assertEquals(await tail("1\n2\n3\n", 10), ["1", "2", "3"]);
  assertEquals(await tail("1\n2\n3\n", 0), []);
  assertEquals(await tail("1\n2\n3", Infinity), ["1", "2", "3"]);
  assertEquals(await tail("", 3), []);
  assertEquals(await tail("\n\n", 1), [""]);
  const many = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
  assertEquals(await tail(many.join("\n")), many.slice(-10));
  assertEquals(await tail(many.join("\n") + "\n", 30_000), many.slice(-30_000));
  const wide = new Uint8Array(
    new Uint16Array([..."1\n\u0a0a2\n3\n"].map((c) => c.charCodeAt(0))).buffer,
  );
  assertEquals(await tail(wide, 2, "utf-16le"), ["\u0a0a2", "3"]);
  assertEquals(
    await tail(wide.map((_, i) => wide[i ^ 1] as number), 2, "utf-16be"),
    ["\u0a0a2", "3"],
  );
});

testWith(
  needed,
  "AsyncFileReader.tail() leaves out a byte order mark at byte 0 and nowhere else",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("log", "\ufeffone\n\ufefftwo\n");
    await using reader = new AsyncFileReader(path);
    assertEquals(await collect(reader.tail({ lines: 1 })), ["\ufefftwo"]);
    assertEquals(await collect(reader.tail({ lines: 2 })), [
      "one",
      "\ufefftwo",
    ]);
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() yields the same lines as a split of the whole, whatever the number",
  async () => {
    await using directory = await TemporaryDirectory.create();
    for (const text of ["a\nb\n\nc", "\n", "a", "a\n", "\na\n", "a\n\n\n"]) {
      const lines = text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      await using reader = new AsyncFileReader(
        await directory.write("log", text),
      );
      for (let count = 1; count < 6; count++) {
        assertEquals(
          await collect(reader.tail({ lines: count })),
          lines.slice(-count),
          JSON.stringify([text, count]),
        );
      }
    }
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() follows what is added, and holds a partial line until its end",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("log", "1\n2\npart");
    await using follower = new Follower(path, { lines: 1 });
    assertEquals(await follower.take(0), []);
    await append(path, "ial\n");
    assertEquals(await follower.take(1), ["partial"]);
    const euro = new TextEncoder().encode("\u20ac\n");
    await Deno.writeFile(path, euro.subarray(0, 2), { append: true });
    assertEquals(await follower.take(0), []);
    await Deno.writeFile(path, euro.subarray(2), { append: true });
    assertEquals(await follower.take(1), ["\u20ac"]);
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() reads the old file to its end when the log is rotated by rename",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("log", "1\n");
    await using follower = new Follower(path);
    assertEquals(await follower.take(1), ["1"]);
    for (let round = 0; round < 3; round++) {
      // The writer still has the old file open, and writes to it after the move.
      using writer = await Deno.open(path, { append: true });
      await Deno.rename(path, directory.path(`log.${round}`));
      await writer.write(new TextEncoder().encode("late\nunfinished"));
      assertEquals(await follower.take(1), ["late"]);
      await Deno.writeTextFile(path, `new ${round}\n`);
      assertEquals(await follower.take(2), ["unfinished", `new ${round}`]);
      await append(path, "more\n");
      assertEquals(await follower.take(1), ["more"]);
    }
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() reads what was written between its last read and the rotation",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("log", "1\n");
    const stat = Deno.stat;
    let looks = 0;
    // The worst moment: it has read to the end, and looks now whether the file is still the same. (The
    // look before that is whether it is a FIFO.)
    Deno.stat = (asked) => {
      if (asked === path && ++looks === 2) {
        Deno.stat = stat;
        Deno.writeTextFileSync(path, "2\n", { append: true });
        Deno.renameSync(path, `${path}.1`);
        Deno.writeTextFileSync(path, "3\n");
      }
      return stat(asked);
    };
    try {
      await using reader = new AsyncFileReader(path);
      const lines = reader.tail({ follow: true });
      assertEquals(await lines.take(3).collect(), ["1", "2", "3"]);
    } finally {
      Deno.stat = stat;
    }
  },
  { ignore: Deno.build.os === "windows" },
);

testWith(
  needed,
  "AsyncFileReader.tail() begins again when the log is truncated",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const path = await directory.write("log", "1\n2\nhalf");
    await using follower = new Follower(path);
    assertEquals(await follower.take(2), ["1", "2"]);
    await Deno.truncate(path);
    assertEquals(await follower.take(1), ["half"]);
    await append(path, "new\n");
    assertEquals(await follower.take(1), ["new"]);
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() loses and doubles nothing while a log is written and rotated all the time",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("log", "");
    await using follower = new Follower(path);
    // From here on it has the file open: a rotation before would not concern it.
    await append(path, "start\n");
    await follower.take(1);
    let count = 0;
    for (let round = 0; round < 10; round++) {
      const before = count;
      for (let i = 0; i < 50; i++) await append(path, `${count++}\n`);
      // Every file is seen at its path; how far it has been read does not matter.
      await until(() => follower.lines.length > before);
      await Deno.rename(path, directory.path(`log.${round}`));
      await Deno.writeTextFile(path, "");
    }
    assertEquals(
      await follower.take(count),
      Array.from({ length: count }, (_, i) => `${i}`),
    );
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() ends with the signal, with disposal, and when the loop is left",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const controller = new AbortController();
    await using _ = nothingLeft({ signals: [controller.signal] });
    const path = await directory.write("log", "1\n");
    const reason = { why: "test" };
    const reader = new AsyncFileReader(path, { signal: controller.signal });
    const following = collect(reader.tail({ follow: true })).catch((error) =>
      error
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    controller.abort(reason);
    assertStrictEquals(await following, reason);
    const second = new AsyncFileReader(path);
    const waiting = collect(second.tail({ follow: true })).catch((error) =>
      error
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    await second[Symbol.asyncDispose]();
    assert(await waiting instanceof DisposedError);
    await using third = new AsyncFileReader(path);
    for await (const line of third.tail({ follow: true })) {
      assertEquals(line, "1");
      break;
    }
    assertEquals(await third.tail({ follow: true }).take(1).collect(), ["1"]);
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() closes the file when it is left while it waits, and a later disposal fails nothing",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("log", "1\n");
    const reported: unknown[] = [];
    const consoleError = console.error;
    console.error = (...values: unknown[]) => reported.push(values.at(-1));
    try {
      const reader = new AsyncFileReader(path);
      // Time stands still: nothing but the leaving ends the wait.
      using _time = new FakeTime();
      const lines = reader.tail({ follow: true })
        [Symbol.asyncIterator]();
      await lines.next();
      const pending = lines.next();
      for (let turn = 0; turn < 100; turn++) await macrotask();
      await lines.return?.();
      assertEquals((await pending).done, true);
      assertEquals(openFiles(path), 0);
      await reader[Symbol.asyncDispose]();
    } finally {
      console.error = consoleError;
    }
    assertEquals(reported, []);
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() refuses a line that is too long, a directory, and what is not there",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = await directory.write("log", "12\n12345\n");
    await using reader = new AsyncFileReader(path);
    await assertRejects(
      () => collect(reader.tail({ maxLineLength: 4 })),
      LineTooLongError,
    );
    await using wrong = new AsyncFileReader(directory.root);
    await assertRejects(
      () => collect(wrong.tail()),
      Deno.errors.IsADirectory,
      directory.root,
    );
    await using missing = new AsyncFileReader(directory.path("none"));
    await assertRejects(
      () => collect(missing.tail({ follow: true })),
      Deno.errors.NotFound,
      "none",
    );
  },
);

testWith(
  needed,
  "AsyncFileReader.tail() with lines 0 tells nothing of what is there, and of a line that is being written all of it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    for (const content of ["1\nha", "ha"]) {
      const path = await directory.write("log", content);
      await using reader = new AsyncFileReader(path);
      assertEquals(await reader.tail({ lines: 0 }).collect(), []);
      const lines = reader.tail({ lines: 0, follow: true })
        [Symbol.asyncIterator]();
      const { stat } = Deno;
      let looks = 0;
      Deno.stat = (asked) => {
        if (asked === path) looks++;
        return stat(asked);
      };
      try {
        const next = lines.next();
        // The second look at it: it has begun, and read what there is.
        await until(() => looks >= 2);
        await append(path, "lf\n");
        assertEquals((await next).value, "half");
        await lines.return?.();
      } finally {
        Deno.stat = stat;
      }
    }
  },
);

// All permissions: Deno wants them for /proc.
testWith(
  ["read", "write", "run", "env", "net", "sys", "ffi"],
  "AsyncFileReader.tail() finds the last lines of a file of /proc, whose size is 0",
  async () => {
    const reader = new AsyncFileReader("/proc/self/status");
    const lines = await reader.tail({ lines: 2 }).collect();
    assertEquals(lines.length, 2);
    assert(lines[0]?.includes(":"));
  },
  { ignore: Deno.build.os !== "linux" },
);

testWith(
  ["read", "write", "run"],
  "AsyncFileReader.tail() refuses a FIFO, naming it, without opening it",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const path = directory.path("fifo");
    await new Deno.Command("mkfifo", { args: [path] }).output();
    await using reader = new AsyncFileReader(path);
    await assertRejects(
      () => reader.tail().collect(),
      Deno.errors.NotSupported,
      path,
    );
  },
  { ignore: Deno.build.os !== "linux" },
);
