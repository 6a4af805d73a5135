import { fromFileUrl } from "@std/path";
import { assert, assertEquals } from "@std/assert";
import { asyncWriteFile } from "../../file/mod.ts";
import { TemporaryDirectory } from "../support/temporary_directory.ts";
import { testWith } from "../support/permissions.ts";

const LANES = 8;
const KILLS = 25;

testWith(
  ["read", "write", "run", "env"],
  "asyncWriteFile() and AsyncFileWriter leave the old or the new file, never a mix, when the process is killed 200 times",
  async () => {
    await using directory = await TemporaryDirectory.create();
    const process = new URL(
      "../support/atomic_writer_process.ts",
      import.meta.url,
    );
    const config = new URL("../../deno.json", import.meta.url);
    let seed = 11;
    const random = () =>
      (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;

    const lane = async (number: number) => {
      const place = `lane${number}`;
      const path = await directory.write(`${place}/file`, "o".repeat(300_000));
      let mostLitter = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const way = [
          "content",
          "writer",
          "durable",
        ][(kill + number) % 3] as string;
        const child = new Deno.Command(Deno.execPath(), {
          args: [
            "run",
            "--quiet",
            "--no-check",
            `--config=${fromFileUrl(config)}`,
            `--allow-read=${directory.root},/proc`,
            `--allow-write=${directory.root}`,
            process.href,
            path,
            way,
          ],
          stdout: "piped",
          stderr: "null",
        }).spawn();
        const output = child.stdout.getReader();
        // Its first write is done: that has removed what the one before left behind.
        await output.read();
        await new Promise((resolve) => setTimeout(resolve, random() * 12));
        child.kill("SIGKILL");
        await child.status;
        await output.cancel();
        const content = await Deno.readTextFile(path);
        assertEquals(content.length, 300_000);
        assertEquals(content, (content[0] as string).repeat(300_000));
        const names = [...Deno.readDirSync(directory.path(place))].length;
        mostLitter = Math.max(mostLitter, names - 1);
      }
      // Never more than the last one's.
      assert(mostLitter <= 1, `${mostLitter} temporary files`);
      await asyncWriteFile(path, "end", { atomic: true });
      const names = [...Deno.readDirSync(directory.path(place))].map((
        { name },
      ) => name);
      assertEquals(names, ["file"]);
    };
    await Promise.all(
      Array.from({ length: LANES }, (_, number) => lane(number)),
    );
  },
  { ignore: Deno.build.os === "windows" },
);
