import { systemRuntime } from "../src/lib/runtime/runtime.ts";
import { openSqliteStorage } from "../src/lib/apiserver/storage/sqlite.ts";
import { startTestServer } from "../src/lib/apiserver/testing/test-server.ts";

// An API server of small kinds on a database, as a process of its own: prints how it is reached once it answers.
const [, , file = ""] = process.argv;
const { port, authority, admin } = await startTestServer({
  storage: openSqliteStorage({ file, runtime: systemRuntime({ level: "error" }) }),
});
process.stdout.write(`${JSON.stringify({ port, authority, admin })}\n`);
