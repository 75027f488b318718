import { request } from "node:https";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { LabPaths } from "./paths.ts";
import { program, type ProgramName } from "./programs.ts";
import { apiNetwork, apiServerPort, controllerPort, firstAddress, type LabSpec } from "./spec.ts";
import { type ProcessSpec, type SupervisedProcess, supervise } from "./supervisor/processes.ts";
import { readFile } from "node:fs/promises";

export interface ControlPlane {
  readonly apiServer: SupervisedProcess;
  readonly controllers: SupervisedProcess;
  readonly antreaController: SupervisedProcess;
}

/** Where the API server also listens, for connections from outside the lab's namespaces. */
export const apiSocket = (paths: LabPaths): string => join(paths.root, "api.sock");

/** The processes of a lab that belong to no node. All of them run in the fabric's namespace. */
export function controlPlaneProcesses({
  runtime,
  paths,
  spec,
  signal,
}: {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  readonly signal: AbortSignal;
}): ControlPlane {
  const daemon = (name: ProgramName, args: readonly string[], extra: Pick<ProcessSpec, "ready" | "env">): SupervisedProcess => {
    const { command, args: programArgs } = program(name, spec);
    return supervise({
      runtime,
      lab: spec.name,
      signal,
      spec: {
        name,
        command,
        args: [...programArgs, ...args],
        netns: paths.fabricNetns,
        logFile: join(paths.logs, `${name}.log`),
        ...extra,
      },
    });
  };
  const own = firstAddress(apiNetwork);
  return {
    apiServer: daemon(
      "lab-api-server",
      [
        ...["--data", paths.api, "--pki", paths.pki, "--socket", apiSocket(paths)],
        ...["--listen", `${own.v4}:${apiServerPort}`, "--listen", `[${own.v6}]:${apiServerPort}`],
        ...spec.serviceCidrs.flatMap((cidr) => ["--service-cidr", cidr]),
      ],
      { ready: () => readyz(paths) },
    ),
    controllers: daemon(
      "lab-controllers",
      ["--kubeconfig", paths.kubeconfig("lab-controllers"), ...spec.podCidrs.flatMap((cidr) => ["--pod-cidr", cidr])],
      {
        ready: () => Promise.resolve(),
      },
    ),
    antreaController: daemon("antrea-controller", ["--config", join(paths.root, "antrea-controller.conf")], {
      env: { POD_NAME: "antrea-controller", POD_NAMESPACE: "kube-system", SERVICEACCOUNT_NAME: "antrea-controller" },
      ready: () => Promise.resolve(),
    }),
  };
}

/** `antrea-controller.conf` of the lab. */
export const antreaControllerConfig = (paths: LabPaths): Record<string, unknown> => ({
  apiPort: controllerPort,
  selfSignedCert: false,
  runDir: join(paths.root, "antrea-controller"),
  clientConnection: { kubeconfig: paths.kubeconfig("antrea-controller") },
});

/** Throws until the API server says that it is ready. */
async function readyz(paths: LabPaths): Promise<void> {
  const ca = await readFile(join(paths.pki, "ca.crt"), "utf8");
  await new Promise<void>((resolve, reject) => {
    const asking = request({ socketPath: apiSocket(paths), path: "/readyz", ca, servername: "localhost" }, (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve();
      else reject(new Error(`/readyz answers ${answer.statusCode}`));
    });
    asking.once("error", reject);
    asking.end();
  });
}
