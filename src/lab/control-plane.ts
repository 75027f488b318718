import { mkdir, readFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { merge } from "./config-options.ts";
import { defaultControllerOptions } from "./controller-options.ts";
import { etcdArguments } from "./kube-assets/etcd.ts";
import type { KubeAssets } from "./kube-assets/find-assets.ts";
import { kubeApiServerArguments } from "./kube-assets/kube-apiserver.ts";
import { kubeControllerManagerArguments } from "./kube-assets/kube-controller-manager.ts";
import { kubeSchedulerArguments } from "./kube-assets/kube-scheduler.ts";
import type { LabPaths } from "./paths.ts";
import { program, type ProgramName } from "./programs.ts";
import { apiNetwork, apiServerPort, controllerName, controllerNumbers, controllerPort, firstAddress, type LabSpec } from "./spec.ts";
import { type ProcessSpec, type SupervisedProcess, supervise } from "./supervisor/processes.ts";

export interface ControlPlane {
  /** The API server and what it stands on, each ready before the next. */
  readonly api: readonly SupervisedProcess[];
  /** What works through the API; started together. */
  readonly controllers: readonly SupervisedProcess[];
  readonly antreaControllers: readonly SupervisedProcess[];
}

/** Where the API server also listens, for connections from outside the lab's namespaces. */
export const apiSocket = (paths: LabPaths): string => join(paths.root, "api.sock");

export interface ControlPlaneOptions {
  readonly runtime: Runtime;
  readonly paths: LabPaths;
  readonly spec: LabSpec;
  /** The real binaries to run in place of the lab's own. */
  readonly assets: KubeAssets;
  readonly signal: AbortSignal;
}

/** The processes of a lab that belong to no node. They run in the fabric's namespace, controllers of the product in one each. */
export function controlPlaneProcesses({ runtime, paths, spec, assets, signal }: ControlPlaneOptions): ControlPlane {
  const process = (processSpec: Pick<ProcessSpec, "name" | "command" | "args" | "env" | "beforeStart"> & Partial<ProcessSpec>) =>
    supervise({
      runtime,
      lab: spec.name,
      signal,
      spec: {
        netns: paths.fabricNetns,
        logFile: join(paths.logs, `${processSpec.name}.log`),
        ready: () => Promise.resolve(),
        ...processSpec,
      },
    });
  const own = (name: ProgramName, args: readonly string[], extra: Partial<ProcessSpec> = {}): SupervisedProcess => {
    const { command, args: programArgs } = program(name, spec);
    return process({ name, command, args: [...programArgs, ...args], ...extra });
  };
  const real = (name: keyof KubeAssets, args: readonly string[], extra: Partial<ProcessSpec> = {}): SupervisedProcess =>
    process({ name, command: assets[name] ?? name, args, ...extra });

  const address = firstAddress(apiNetwork);
  const ready = (): Promise<void> => readyz(paths);
  const api =
    assets["kube-apiserver"] === undefined
      ? [
          own(
            "lab-api-server",
            [
              ...["--data", paths.api, "--pki", paths.pki, "--socket", apiSocket(paths)],
              ...["--listen", `${address.v4}:${apiServerPort}`, "--listen", `[${address.v6}]:${apiServerPort}`],
              ...spec.serviceCidrs.flatMap((cidr) => ["--service-cidr", cidr]),
            ],
            { ready },
          ),
        ]
      : [
          real("etcd", etcdArguments(paths), {
            beforeStart: async () => void (await mkdir(join(paths.api, "etcd"), { recursive: true, mode: 0o700 })),
          }),
          own("lab-door", ["--listen", apiSocket(paths), "--to", `${address.v4}:${apiServerPort}`]),
          real("kube-apiserver", kubeApiServerArguments({ paths, spec }), { ready }),
        ];
  const workloads = assets["kube-controller-manager"];
  const scheduler = assets["kube-scheduler"];
  const controllers = [
    ...(workloads === undefined ? [] : [real("kube-controller-manager", kubeControllerManagerArguments({ paths, spec }))]),
    ...(scheduler === undefined ? [] : [real("kube-scheduler", kubeSchedulerArguments(paths))]),
    ...(workloads !== undefined && scheduler !== undefined
      ? []
      : [
          own("lab-controllers", [
            ...["--kubeconfig", paths.kubeconfig("lab-controllers")],
            ...spec.podCidrs.flatMap((cidr) => ["--pod-cidr", cidr]),
            ...["--signing-certificate", join(paths.pki, "ca.crt"), "--signing-key", join(paths.pki, "ca.key")],
            ...["--controllers", workloads !== undefined ? "scheduler" : scheduler !== undefined ? "all-but-scheduler" : "all"],
          ]),
        ]),
  ];
  return {
    api,
    controllers,
    antreaControllers: controllerNumbers(spec).map((controller) => {
      const { config, netns } = paths.controller(controller);
      const name = controllerName(controller);
      return own("antrea-controller", ["--config", config], { name, netns, env: controllerEnvironment(name) });
    }),
  };
}

/** What a controller's Pod would have in its environment. */
export const controllerEnvironment = (pod: string): NodeJS.ProcessEnv => ({
  POD_NAME: pod,
  POD_NAMESPACE: "kube-system",
  SERVICEACCOUNT_NAME: "antrea-controller",
});

/** The configuration of a controller of the lab. */
export const antreaControllerConfig = (paths: LabPaths, spec: LabSpec, controller: number): Record<string, unknown> => ({
  ...merge(spec.joins === undefined ? defaultControllerOptions : {}, spec.controllerOptions ?? {}),
  apiPort: controllerPort,
  runDir: paths.controller(controller).runDir,
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
