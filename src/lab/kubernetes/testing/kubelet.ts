import type { KubeClient } from "#lib/kube/client.ts";
import { isNotFound } from "#lib/kube/errors.ts";
import { leases, pods } from "#lib/kube/kinds.ts";
import { reflect } from "#lib/kube/reflector.ts";
import { keyOf, nameOfKey, type Resource } from "#lib/kube/resource.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import { fullNodes } from "../kinds/node.ts";
import type { FullPod } from "../kinds/pod/types.ts";

const fullPods = pods as Resource<FullPod>;

export interface TestKubelet {
  /** Pods that shall never become ready, by image. */
  readonly broken: Set<string>;
  addNode(name: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  /** A sign of life. */
  renew(node: string): Promise<void>;
}

/** Plays the kubelets of all nodes of a test: bound pods are ready at once, deleted ones gone at once. */
export function startTestKubelet(options: {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}): TestKubelet {
  const { runtime, client, signal } = options;
  const broken = new Set<string>();
  const table = reflect({ ...options, resource: fullPods });
  let addresses = 0;
  const now = (): string => `${new Date(runtime.clock.wall()).toISOString().slice(0, 19)}Z`;
  const work = async (key: string): Promise<void> => {
    const pod = table.get(key);
    if (pod === undefined || !pod.spec.nodeName) return;
    const target = nameOfKey(key);
    try {
      if (pod.metadata.deletionTimestamp !== undefined) await client.delete(fullPods, target, { gracePeriodSeconds: 0 });
      else if (pod.status?.phase === "Pending")
        await client.patch(fullPods, { ...target, subresource: "status" }, { status: statusOf(pod) }, { type: "strategic" });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };
  const statusOf = ({ spec }: FullPod) => {
    addresses++;
    const ready = spec.containers.some(({ image = "" }) => broken.has(image)) ? "False" : "True";
    const podIP = `10.10.${addresses >> 8}.${addresses & 255}`;
    return {
      phase: "Running",
      podIP,
      podIPs: [{ ip: podIP }, { ip: `fd00::${addresses.toString(16)}` }],
      startTime: now(),
      conditions: [{ type: "Ready", status: ready, lastTransitionTime: now() }],
    };
  };
  const queue = createWorkqueue({ runtime, name: "test-kubelet", work, signal });
  table.subscribe(({ after }) => after && queue.add(keyOf(after)), { replay: true });
  const spec = (node: string) => ({
    holderIdentity: node,
    leaseDurationSeconds: 40,
    renewTime: `${new Date(runtime.clock.wall()).toISOString().slice(0, -1)}000Z`,
  });
  return {
    broken,
    async addNode(name, labels = {}) {
      await client.create(leases, { metadata: { name, namespace: "kube-node-lease" }, spec: spec(name) });
      await client.create(fullNodes, { metadata: { name, labels } });
      const conditions = [{ type: "Ready", status: "True" as const, lastHeartbeatTime: now(), lastTransitionTime: now() }];
      await client.patch(fullNodes, { name, subresource: "status" }, { status: { conditions } });
    },
    async renew(node) {
      await client.patch(leases, { namespace: "kube-node-lease", name: node }, { spec: spec(node) });
    },
  };
}
