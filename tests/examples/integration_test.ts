import { assertEquals } from "@std/assert";
import { testWith } from "../support/permissions.ts";
import { runExample } from "../support/program.ts";

testWith(
  ["read", "write", "net", "env", "run"],
  "integration.ts: each snippet of the source document gives what it says there",
  async () => {
    const { code, stdout, stderr } = await runExample(
      "integration.ts",
      [
        "--allow-net=127.0.0.1",
        "--allow-read",
        "--allow-write",
        "--allow-env",
      ],
      [],
      { env: { SPECIFY_ASYNC_WORKERS: "7" } },
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout), {
      submitOne: "done",
      processStream: [6, 8, 10],
      getWithRetry: { path: "/fails-twice" },
      copyText: "content",
      gatherTen: [0, 2, 4, 6, 8, 10, 12, 14, 16, 18],
      fetchThree: [1, 2, 3].map((n) => ({ path: `/data/${n}` })),
      byPriority: ["critical", "normal", "background"],
      useResource: { used: 1, isOpen: false },
      breakCircuit: [
        ...Array(5).fill("HTTPStatusError"),
        ...Array(2).fill("CircuitOpenError"),
      ],
      transformStream: [100, 100, 100, 100, 100],
      runPipeline: [60, 80],
      monitoredOperation: 42,
      workersFromEnvironment: 7,
    });
  },
);
