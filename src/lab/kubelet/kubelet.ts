import { mkdir, readdir } from "node:fs/promises";
import { totalmem } from "node:os";
import { connectCri } from "#lib/cri/index.ts";
import { delegatedAuthentication } from "#lib/daemon/delegated-authentication.ts";
import { delegatedAuthorization } from "#lib/daemon/delegated-authorization.ts";
import { createKubeClient } from "#lib/kube/client.ts";
import { loadKubeconfig } from "#lib/kube/kubeconfig.ts";
import { pods as podsResource, services as servicesResource } from "#lib/kube/kinds.ts";
import { reflect } from "#lib/kube/reflector.ts";
import { createWorkqueue } from "#lib/kube/workqueue.ts";
import { milliseconds } from "#lib/runtime/duration.ts";
import { whenAborted } from "#lib/runtime/on-abort.ts";
import { retryUntilDone } from "#lib/runtime/backoff.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletConfig } from "./config.ts";
import { createEventRecorder, podTarget } from "./events.ts";
import { createKubeletMetrics } from "./metrics.ts";
import { keepNodeRegistered } from "./node-registration.ts";
import { machineFacts } from "./node-status.ts";
import type { KubeletPod } from "./pod.ts";
import { createPodSync } from "./pod-sync.ts";
import { createProbes } from "./probes.ts";
import { followRuntime } from "./relist.ts";
import { startServer } from "./server.ts";
import { createPodRecords } from "./status-writer.ts";
import { createStopper } from "./stopper.ts";
import { createTimetable } from "./timetable.ts";
import { createTokenSource } from "./tokens.ts";

/** Pods that may be worked on at once: starting one waits for CNI and runc, not for us. */
const concurrency = 32;

/** Runs a node's kubelet until `signal` aborts. Containers go on without it. */
export async function runKubelet(runtime: Runtime, config: KubeletConfig, signal: AbortSignal): Promise<void> {
  await Promise.all([config.rootDir, config.podLogsDir].map((folder) => mkdir(folder, { recursive: true })));
  const client = createKubeClient({ config: loadKubeconfig(config.kubeconfig), userAgent: "lab-kubelet" });
  const cri = connectCri({ clock: runtime.clock, socket: config.containerdSocket });
  const events = createEventRecorder({ runtime, client, nodeName: config.nodeName });
  const tokens = createTokenSource({ client, clock: runtime.clock });
  const records = createPodRecords();
  const metrics = createKubeletMetrics({ cri, clock: runtime.clock, nodeName: config.nodeName });

  // sources: what the API wants of this node
  const pods = reflect<KubeletPod>({
    runtime,
    client,
    resource: podsResource as typeof podsResource & { readonly shape?: KubeletPod },
    fieldSelector: `spec.nodeName=${config.nodeName}`,
    signal,
  });

  // and what containers are told of, at the moment they start
  const services = reflect({ runtime, client, resource: servicesResource, signal });

  // work: one pod at a time each, whatever made it worth a look; nothing is removed before the API has been heard
  const queue = createWorkqueue({
    runtime,
    name: "pods",
    concurrency,
    signal,
    work: async (uid) => {
      await Promise.all([pods.whenSynced(), services.whenSynced()]);
      await sync(uid);
    },
  });
  const changed = (uid: string): void => queue.add(uid);
  const timetable = createTimetable({ clock: runtime.clock, due: changed });
  const probes = createProbes({
    runtime,
    cri,
    changed,
    failed({ uid, container }, kind, message) {
      const pod = records.get(uid);
      const title = `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
      if (pod !== undefined) events.warning(podTarget(pod, container.name), "Unhealthy", `${title} probe failed: ${message}`);
    },
  });
  const sync = createPodSync({
    runtime,
    config,
    cri,
    client,
    events,
    records,
    probes,
    stopper: createStopper({ runtime, cri, ended: changed }),
    requestToken: tokens.request,
    services,
    forgetTokens: tokens.forget,
    schedule: timetable.at,
    memoryCapacity: totalmem(),
  });

  // what makes a pod worth a look: its object, its sandbox and containers, its files after a restart of this process
  pods.subscribe(
    ({ before, after }) => {
      if (after !== undefined) {
        records.note(after);
        metrics.noted(after);
      }
      const gone = before?.metadata.uid;
      if (gone !== undefined && gone !== after?.metadata.uid) {
        records.forget(gone);
        metrics.forget(gone);
        changed(gone);
      }
      if (after?.metadata.uid !== undefined) changed(after.metadata.uid);
    },
    { replay: true },
  );
  followRuntime({ runtime, cri, socket: config.containerdSocket, changed, signal });
  for (const uid of await readdir(`${config.rootDir}/pods`).catch(() => [])) changed(uid);

  // the node itself, and what the API server asks of it
  const asked = { client, clock: runtime.clock };
  const access = { authenticator: delegatedAuthentication(asked), authorizer: delegatedAuthorization(asked) };
  const server = await startServer({ runtime, config, cri, pods: () => [...pods.rows()], metrics, access, signal });
  const facts = await retryUntilDone(runtime, () => machineFacts(config, cri), { signal, limit: milliseconds(500) });
  keepNodeRegistered({ runtime, config, client, cri, facts, signal });
  runtime.logger.info("kubelet is running", { node: config.nodeName, port: config.port });
  await whenAborted(signal);
  await server.close();
  cri.close();
  client.close();
}
