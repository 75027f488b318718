import { join } from "node:path";
import { checkLabName, controllerName } from "./spec.ts";

/** Where all labs keep their files. Short, because a Unix socket's path has at most 107 bytes. */
export const labsFolder = "/var/lib/antrea-lab";

/** Every file and namespace of one lab has its name from here. Throws InvalidLabOption for what is no lab's name, such as `..`. */
export function labPaths(name: string) {
  checkLabName(name);
  const root = join(labsFolder, name);
  return {
    root,
    /** The supervisor's process id: a lab runs when this process does. */
    pidFile: join(root, "supervisor.pid"),
    controlSocket: join(root, "control.sock"),
    pki: join(root, "pki"),
    api: join(root, "api"),
    logs: join(root, "logs"),
    adminKubeconfig: join(root, "admin.kubeconfig"),
    /** Which settings of the host `--uplink` changed. */
    uplinkRecord: join(root, "uplink.json"),
    fabricNetns: `${name}-fabric`,
    kubeconfig: (user: string) => join(root, "pki", `${user}.kubeconfig`),
    /** A certificate and its key in one file, replaced as a whole when it is renewed. */
    renewed: (user: string) => join(root, "pki", `${user}.pem`),
    /** Of controller `number`; on the fabric's network where it has none of its own. */
    controller: (number: number) => ({
      runDir: join(root, controllerName(number)),
      config: join(root, `${controllerName(number)}.conf`),
      netns: `${name}-controller-${number}`,
    }),
    node: (node: string) => nodePaths(join(root, node), `${name}-${node}`),
  };
}

export type LabPaths = ReturnType<typeof labPaths>;

function nodePaths(root: string, netns: string) {
  return {
    root,
    netns,
    ovs: join(root, "ovs"),
    containerd: join(root, "containerd"),
    containerdSocket: join(root, "containerd", "containerd.sock"),
    cniConf: join(root, "cni", "net.d"),
    cniBin: join(root, "cni", "bin"),
    agent: join(root, "agent"),
    agentConfig: join(root, "agent", "antrea-agent.conf"),
    kubelet: join(root, "kubelet"),
    /** What a bare node sees as its own `/etc`, `/opt` and `/var/log`. */
    disk: join(root, "disk"),
  };
}

export type NodePaths = ReturnType<typeof nodePaths>;
