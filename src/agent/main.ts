import { hostname } from "node:os";
import { parseConfig, readConfigFile } from "#lib/config-file/index.ts";
import { runDaemon } from "#lib/daemon/index.ts";
import { agentKeys } from "./config.ts";
import { runAgent } from "./wiring.ts";

const configName = "antrea-agent.conf";

await runDaemon({
  name: "antrea-agent",
  purpose: "connects the pods of one node and enforces their network policies",
  configName,
  environmentNote: "NODE_NAME in the environment names the node; without it, it is the host's name.",
  configure: (file) => (file === undefined ? parseConfig("", { file: configName, keys: agentKeys }) : readConfigFile(file, agentKeys)),
  run: ({ config, ...started }) =>
    runAgent({ ...started, config: config.values, nodeName: process.env.NODE_NAME || hostname(), environment: process.env }),
});
