import { runDaemon } from "#lib/daemon/index.ts";
import { parseControllerConfig, readControllerConfig } from "./config.ts";
import { UnusableCertificate } from "./errors.ts";
import { runController } from "./wiring.ts";

const configName = "antrea-controller.conf";

await runDaemon({
  name: "antrea-controller",
  purpose: "computes which network policies each node needs, and serves them to the agents",
  configName,
  environmentNote: "POD_NAMESPACE in the environment names the namespace of Service antrea; without it, it is kube-system.",
  configure: (file) => (file === undefined ? parseControllerConfig("", configName) : readControllerConfig(file)),
  wrongInput: [UnusableCertificate],
  run: (started) => runController({ ...started, environment: process.env }),
});
