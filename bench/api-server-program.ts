import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { openSqliteStorage } from "../src/lib/apiserver/storage/sqlite.ts";
import { startTestServer } from "../src/lib/apiserver/testing/test-server.ts";

// An API server of small kinds on a database, as a process of its own: prints how it is reached once it answers.
// Told to, it measures its stretches too: the processor time of its own thread between two turns of the event loop.
const [, , file = "", stretches] = process.argv;
let longestUs = 0;
const measureStretches = (): void => {
  let before = process.threadCpuUsage();
  const turn = (): void => {
    const now = process.threadCpuUsage();
    longestUs = Math.max(longestUs, now.user + now.system - before.user - before.system);
    before = now;
    setImmediate(turn);
  };
  turn();
};
const { port, authority, admin } = await startTestServer({
  customResources: true,
  paths: {
    "/longest-stretch": ({ response }) => {
      response.end(String(longestUs));
      longestUs = 0;
    },
  },
  storage: openSqliteStorage({ file, runtime: systemRuntime({ level: "error" }) }),
});
if (stretches === "stretches") measureStretches();
process.stdout.write(`${JSON.stringify({ port, authority, admin })}\n`);
