import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { inNetns } from "#lab/command.ts";
import { LabNotRunning } from "#lab/errors.ts";
import { runningSupervisor } from "#lab/running.ts";
import { labPaths } from "#lab/paths.ts";
import { projectFolder } from "#lab/programs.ts";
import { nodeNumber } from "#lab/spec.ts";
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
  const number = nodeNumber(place);
  if (number === undefined && place !== "controller") throw new UnsupportedValue(place, "NODE: node-1, node-2, …, or controller");
  const node = paths.node(place);
  const netns = number === undefined ? paths.fabricNetns : node.netns;
  if (!existsSync(`/var/run/netns/${netns}`))
    throw new UnsupportedValue(place, `NODE: lab ${name} has no such node running (antctl lab status lists them)`);
  const environment = {
    ...process.env,
    PATH: `${join(projectFolder, "bin")}:${process.env.PATH ?? ""}`,
    KUBECONFIG: paths.adminKubeconfig,
    ...(number === undefined
      ? { POD_NAME: "antrea-controller", ANTREA_RUN_DIR: join(paths.root, "antrea-controller") }
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
