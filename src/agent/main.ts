import { hostname } from "node:os";
import { runDaemon } from "#lib/daemon/index.ts";
import { readAgentConfig } from "./config-file.ts";
import { nodePlatform } from "./node-platform.ts";
import { runAgent } from "./wiring.ts";

const configName = "antrea-agent.conf";

await runDaemon({
  name: "antrea-agent",
  purpose: "connects the pods of one node and enforces their network policies",
  configName,
  environmentNote: "NODE_NAME in the environment names the node; without it, it is the host's name.",
  configure: (file) => readAgentConfig(file, configName, process.env),
  run: ({ config, configFile, ...started }) =>
    runAgent({
      ...started,
      platform: nodePlatform({ runtime: started.runtime, config: config.values, configFile, environment: process.env }),
      config: config.values,
      gates: config.gates,
      nodeName: process.env.NODE_NAME || hostname(),
      environment: process.env,
    }),
});
