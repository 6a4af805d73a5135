import { fromFileUrl } from "@std/path";
import { assert, assertEquals } from "@std/assert";
import { asyncWriteFile } from "../../../file/mod.ts";
import { nothingLeft } from "../../support/nothing_left.ts";
import { TemporaryDirectory } from "../../support/temporary_directory.ts";
import { testWith } from "../../support/permissions.ts";

const WAYS = ["content", "durable", "writer", "copy"];
const SIZE = 300_000;
/** Processes at once, as many as there are cores as a rule. */
const LANES = 2;
/** Each kill cuts off a write of each way, wherever it is: 2 lanes x 25 kills x 4 ways are 200. */
const KILLS = 25;

testWith(
  ["read", "write", "run", "env"],
  "asyncWriteFile(), AsyncFileWriter and asyncCopyFile() leave the old or the new file, never a mix, when SIGKILL cuts them off 200 times",
  async () => {
    await using directory = await TemporaryDirectory.create();
    await using _ = nothingLeft();
    const process = new URL(
      "../../support/atomic_writer_process.ts",
      import.meta.url,
    );
    const config = new URL("../../../deno.json", import.meta.url);
    let seed = 11;
    const random = () =>
      (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

    const start = (place: string) => {
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--quiet",
          "--no-check",
          `--config=${fromFileUrl(config)}`,
          `--allow-read=${directory.root},/proc`,
          `--allow-write=${directory.root}`,
          process.href,
          place,
        ],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      return { child, output: child.stdout.getReader() };
    };
    const names = (way: string) =>
      [...Deno.readDirSync(way)].map(({ name }) => name);

    const lane = async (number: number) => {
      const place = directory.path(`lane${number}`);
      for (const way of WAYS) {
        await directory.write(`lane${number}/${way}/file`, "o".repeat(SIZE));
      }
      for (let kill = 0; kill < KILLS; kill++) {
        const { child, output } = start(place);
        // Each first write is done: that has removed what the process before left behind.
        const { value } = await output.read();
        assertEquals(new TextDecoder().decode(value), "ready\n");
        await new Promise((resolve) => setTimeout(resolve, random() * 20));
        child.kill("SIGKILL");
        await child.status;
        await output.cancel();
        for (const way of WAYS) {
          const content = await Deno.readTextFile(`${place}/${way}/file`);
          assertEquals(content.length, SIZE, way);
          assert(content === (content[0] as string).repeat(SIZE), way);
          // Never more than the last one's.
          const litter = names(`${place}/${way}`).length - 1;
          assert(litter <= 1, `${way}: ${litter} temporary files`);
        }
      }
      for (const way of WAYS) {
        const path = `${place}/${way}/file`;
        await asyncWriteFile(path, "end", { atomic: true });
        assertEquals(names(`${place}/${way}`), ["file"]);
      }
    };
    await Promise.all(
      Array.from({ length: LANES }, (_, number) => lane(number)),
    );
  },
  { ignore: Deno.build.os === "windows" },
);
