import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { inNetns } from "#lab/command.ts";
import { LabNotRunning } from "#lab/errors.ts";
import { runningSupervisor } from "#lab/running.ts";
import { type LabPaths, labPaths } from "#lab/paths.ts";
import { projectFolder } from "#lab/programs.ts";
import { controllerName, controllerNumber, nodeNumber } from "#lab/spec.ts";
import { UnsupportedValue } from "../errors.ts";

/** `antctl lab exec NODE -- COMMAND`: what `kubectl exec` into the agent's Pod is elsewhere. `controller` stands for the controller's Pod. */
export async function execIn({
  name,
  place,
  command,
}: {
  readonly name: string;
  readonly place: string;
  readonly command: readonly string[];
}): Promise<void> {
  const paths = labPaths(name);
  if (runningSupervisor(paths) === undefined) throw new LabNotRunning(name);
  const controller = controllerNumber(place);
  if (nodeNumber(place) === undefined && controller === undefined)
    throw new UnsupportedValue(place, "node", "one of node-1, node-2, …, controller, controller-2, …");
  const node = paths.node(place);
  const netns = controller === undefined ? node.netns : controllerNetns(paths, controller);
  if (!existsSync(`/var/run/netns/${netns}`))
    throw new UnsupportedValue(place, "node", `lab ${name} has no such node running; antctl lab status lists them`);
  const environment = {
    ...process.env,
    PATH: `${join(projectFolder, "bin")}:${process.env.PATH ?? ""}`,
    KUBECONFIG: paths.adminKubeconfig,
    ...(controller !== undefined
      ? { POD_NAME: controllerName(controller), ANTREA_RUN_DIR: paths.controller(controller).runDir }
      : {
          POD_NAME: `antrea-agent-${place}`,
          NODE_NAME: place,
          ANTREA_RUN_DIR: node.agent,
          OVS_RUNDIR: node.ovs,
          OVS_DBDIR: node.ovs,
          CONTAINERD_ADDRESS: node.containerdSocket,
        }),
  };
  // what follows the first `--` is the command
  const [program = "sh", ...args] = command[0] === "--" ? command.slice(1) : command;
  const inside = inNetns(netns, program, args);
  process.exitCode = await new Promise<number>((resolve, reject) => {
    const child = spawn(inside.command, inside.args, { stdio: "inherit", env: environment });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** In a lab that joined a cluster the controller is in the fabric's namespace. */
function controllerNetns(paths: LabPaths, controller: number): string {
  const { netns } = paths.controller(controller);
  return controller === 1 && !existsSync(`/var/run/netns/${netns}`) ? paths.fabricNetns : netns;
}
