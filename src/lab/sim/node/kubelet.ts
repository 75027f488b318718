import { type CniReply, type CniRequest, requestForm } from "#lib/cni/index.ts";
import { createWorkqueue, isNotFound, type KubeClient, keyOf, leanPod, nameOfKey, type Pod, pods, reflect } from "#lib/kube/index.ts";
import { type Runtime, seconds, sleep } from "#lib/runtime/index.ts";
import { PluginFailed } from "../errors.ts";
import type { SimProcess } from "../process.ts";
import type { SimNode } from "./node.ts";

/** As long as the container runtime gives a plugin. */
const pluginTimeout = seconds(60);

interface Sandbox {
  readonly id: string;
  readonly uid: string;
  readonly netns: string;
  /** Undefined until the plugin made it. */
  addresses: readonly string[] | undefined;
}

/** Pretends to be kubelet and container runtime: pods are sandboxes without containers, their network is what the agent makes through the real CNI requests. */
export function startKubelet(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly node: Pick<SimNode, "name" | "network" | "askCni">;
  readonly process: SimProcess;
}): void {
  const { runtime, client, node, process } = options;
  const { signal } = process;
  /** By `namespace/name`: those that exist, which outlive the object. */
  const sandboxes = new Map<string, Sandbox>();
  let attempts = 0;
  const table = reflect({ runtime, client, resource: pods, fieldSelector: `spec.nodeName=${node.name}`, transform: leanPod, signal });

  const ask = async (command: "ADD" | "DEL", key: string, { id, netns }: Sandbox): Promise<Readonly<Record<string, unknown>>> => {
    const { namespace, name } = nameOfKey(key);
    const request: CniRequest = {
      form: requestForm,
      command,
      containerId: id,
      netns,
      ifname: "eth0",
      args: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name}`,
      path: "/opt/cni/bin",
      config: networkConfig,
    };
    const reply: CniReply = await Promise.race([
      node.askCni(request, process),
      sleep(runtime.clock, pluginTimeout).then(() => {
        throw new PluginFailed("the agent does not answer");
      }),
    ]);
    if ("error" in reply) throw new PluginFailed(reply.error.msg);
    return reply.result as Readonly<Record<string, unknown>>;
  };
  const remove = async (key: string): Promise<void> => {
    const sandbox = sandboxes.get(key);
    if (sandbox === undefined) return;
    await ask("DEL", key, sandbox);
    node.network.removeNamespace(sandbox.netns);
    sandboxes.delete(key);
  };
  const run = async (pod: Pod): Promise<readonly string[]> => {
    const key = keyOf(pod);
    const present = sandboxes.get(key);
    if (present?.addresses !== undefined) return present.addresses;
    if (present !== undefined) await remove(key);
    const id = `${pod.metadata.uid}-${++attempts}`;
    const sandbox: Sandbox = { id, uid: pod.metadata.uid ?? "", netns: `/run/netns/${id}`, addresses: undefined };
    sandboxes.set(key, sandbox);
    node.network.makeNamespace(sandbox.netns);
    const { ips = [] } = (await ask("ADD", key, sandbox)) as { readonly ips?: readonly { readonly address: string }[] };
    sandbox.addresses = ips.map(({ address }) => address.replace(/\/.*/, ""));
    return sandbox.addresses;
  };
  const work = async (key: string): Promise<void> => {
    const pod = table.get(key);
    if (pod === undefined || pod.metadata.uid !== (sandboxes.get(key)?.uid ?? pod.metadata.uid)) await remove(key);
    if (pod === undefined) return;
    const target = nameOfKey(key);
    try {
      if (pod.metadata.deletionTimestamp !== undefined) {
        await remove(key);
        await client.delete(pods, target, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid ?? "" } });
      } else if (pod.status?.phase !== "Running") {
        const addresses = await run(pod);
        const conditions = [{ type: "Ready", status: "True" }];
        const status = { phase: "Running", conditions, podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })) };
        await client.patch(pods, { ...target, subresource: "status" }, { status });
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };
  const queue = createWorkqueue({ runtime, name: "simulated kubelet", work, signal });
  table.subscribe(({ key }) => queue.add(key), { replay: true });
}

const networkConfig = JSON.stringify({ cniVersion: "1.0.0", name: "antrea", type: "antrea", ipam: { type: "host-local" } });
