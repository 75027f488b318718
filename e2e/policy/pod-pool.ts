import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CasePod, CaseService } from "#core/policy/cases/case.ts";
import { fixtureNamespaces, fixturePods, namespaceOf, servedPorts, shortNameOf } from "#core/policy/cases/fixture.ts";
import type { Probe } from "#core/policy/cases/probes.ts";
import { svc } from "#core/policy/cases/notation.ts";
import { containersOf, type Place, placedService, portOf } from "#core/policy/cases/place.ts";
import { type Family, type IpAddress, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import {
  createKubeClient,
  isAlreadyExists,
  isNotFound,
  type KubeClient,
  loadKubeconfig,
  namespaces,
  nodes,
  type Pod,
  pods,
  serviceAccounts,
  services,
} from "#lib/kube/index.ts";
import { run } from "../../src/lab/command.ts";
import { labPaths } from "../../src/lab/paths.ts";
import { slotLabel } from "./confined.ts";
import { askInTurns, type CraftedProbe, forgetAssociations } from "./crafted.ts";
import { findPodLinks, openPodWire, type PodLink, podOf } from "./pod-wires.ts";
import { connectProber, type Prober } from "./prober-client.ts";

/** Clusters of the fixture beside each other in one lab. With three pods that cases make in each, at most 60 pods. */
export const slotCount = 5;
const podLimitMs = 240_000;
const pollMs = 50;
const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
const testServer = fileURLToPath(new URL("../../src/lab/images/agnhost/main.ts", import.meta.url));

/** One cluster of the fixture: its namespaces are called x-1, y-1, z-1, … */
export interface Slot {
  readonly number: number;
  readonly place: Place;
  /** Of a pod (`x/a`), or of a node's own stack (`node-1`). */
  prober(end: string): Prober;
  namespace(name: string): string;
  createPod(pod: CasePod): Promise<void>;
  /** Resolves when the pod is gone. */
  deletePod(name: string): Promise<void>;
  /** Asks for the deletion of a pod that takes its time. */
  terminatePod(name: string): Promise<void>;
  /** Whether crafted frames can come from there: of a pod of the slot. */
  hasWire(end: string): boolean;
  /** Asks by frames made by hand what no socket can, in the order of the probes. */
  askCrafted(probes: readonly Probe[], timeoutMs: number): Promise<readonly string[]>;
  /** The switches forget what they learned of SCTP of the slot's pods. */
  forgetAssociations(): Promise<void>;
  createService(service: CaseService): Promise<void>;
  deleteService(name: string): Promise<void>;
  /** Empties the neighbour tables of the nodes. */
  forgetNeighbours(): Promise<void>;
}

export interface PodPool {
  /** The lab's name. */
  readonly lab: string;
  readonly client: KubeClient;
  readonly slots: readonly Slot[];
  close(): void;
}

/** Makes all pods of all slots and waits until each answers. */
export async function createPodPool({
  lab,
  slots: count = slotCount,
}: {
  readonly lab: string;
  readonly slots?: number;
}): Promise<PodPool> {
  const paths = labPaths(lab);
  const client = createKubeClient({ config: loadKubeconfig(paths.adminKubeconfig) });
  const sockets = join(paths.root, "probers");
  mkdirSync(sockets, { recursive: true });
  const gateways = await gatewayAddresses(client);
  const nodeProbers = new Map<string, Prober>();
  const children: ChildProcess[] = [];
  for (const node of gateways.keys()) {
    const socket = join(sockets, node);
    const log = openSync(join(paths.logs, `prober-${node}.log`), "a");
    const args = [
      `--net=/run/netns/${paths.node(node).netns}`,
      process.execPath,
      testServer,
      "prober",
      `--socket=${socket}`,
      `--ports=${servedPorts.join(",")}`,
    ];
    children.push(spawn("nsenter", args, { stdio: ["ignore", log, log] }));
    nodeProbers.set(node, await connectProber(socket, { timeoutMs: podLimitMs }));
  }
  const netnses = [...gateways.keys()].map((node) => paths.node(node).netns);
  const end = (): void => {
    for (const prober of nodeProbers.values()) prober.close();
    for (const child of children) child.kill("SIGKILL");
  };
  const slots = await Promise.all(
    Array.from({ length: count }, (_, index) => createSlot({ lab, client, sockets, gateways, nodeProbers, netnses, number: index + 1 })),
  ).catch((error: unknown) => {
    end();
    throw error;
  });
  return {
    lab,
    client,
    slots: slots.map(({ slot }) => slot),
    close() {
      for (const { probers } of slots) for (const prober of probers.values()) prober.close();
      end();
    },
  };
}

type Addresses = Partial<Record<Family, IpAddress>>;

/** Of each node's own stack: the first address of each of its blocks. */
async function gatewayAddresses(client: KubeClient): Promise<ReadonlyMap<string, Addresses>> {
  const { items } = await client.list(nodes);
  return new Map(
    items.map(({ metadata, spec }) => {
      const cidrs = (spec?.podCIDRs ?? []).map(parsePrefix);
      return [metadata.name ?? "", Object.fromEntries(cidrs.map(({ family, address }) => [family, address.plus(1n)]))];
    }),
  );
}

interface SlotParts {
  readonly lab: string;
  readonly client: KubeClient;
  readonly sockets: string;
  readonly gateways: ReadonlyMap<string, Addresses>;
  readonly nodeProbers: ReadonlyMap<string, Prober>;
  readonly netnses: readonly string[];
  readonly number: number;
}

async function createSlot({
  lab,
  client,
  sockets,
  gateways,
  nodeProbers,
  netnses,
  number,
}: SlotParts): Promise<{ slot: Slot; probers: Map<string, Prober> }> {
  const namespace = (name: string): string => `${name}-${number}`;
  const probers = new Map<string, Prober>();
  const addresses = new Map<string, Addresses>();
  /** Pods on the network of their node, which are not in its switch. */
  const onHost = new Set<string>();
  /** Until a pod comes or goes. */
  let links: Promise<readonly PodLink[]> | undefined;
  const target = (name: string) => ({ namespace: namespace(namespaceOf(name)), name: shortNameOf(name) });
  const createPod = async (pod: CasePod): Promise<void> => {
    const { namespace: inNamespace, name } = target(pod.name);
    const socket = `${inNamespace}.${name}`;
    const { serviceAccount } = pod;
    if (serviceAccount !== undefined)
      await client.create(serviceAccounts, { metadata: { namespace: inNamespace, name: serviceAccount } }).catch(ignoreExisting);
    await client.create(pods, podManifest({ pod, namespace: inNamespace, sockets, socket })).catch(ignoreExisting);
    const has = await podWith(client, target(pod.name), ({ status, metadata }) => {
      if (pod.ends !== undefined) return status?.phase === pod.ends;
      if (pod.probed) return status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true;
      return (status?.podIPs ?? []).length > 0 && metadata.deletionTimestamp === undefined;
    });
    addresses.set(pod.name, addressesOf(has));
    if (pod.ends === undefined) probers.set(pod.name, await connectProber(join(sockets, socket), { timeoutMs: podLimitMs }));
    if (pod.hostNetwork) onHost.add(pod.name);
    links = undefined;
  };
  const createNamespace = async (name: string): Promise<void> => {
    const metadata = { name: namespace(name), labels: { ns: name, [slotLabel]: String(number) } };
    await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata }).catch(ignoreExisting);
  };
  await Promise.all(fixtureNamespaces.map(createNamespace));
  await Promise.all(fixturePods.map(createPod));
  const slot: Slot = {
    number,
    namespace,
    createPod,
    place: {
      namespace,
      address: (end, family) => (gateways.get(end) ?? addresses.get(end))?.[family],
    },
    prober(end) {
      const prober = probers.get(end) ?? nodeProbers.get(end);
      if (prober === undefined) throw new Error(`${end} has no prober`);
      return prober;
    },
    hasWire: (end) => probers.has(end) && !onHost.has(end),
    async deletePod(name) {
      probers.get(name)?.close();
      probers.delete(name);
      links = undefined;
      await client.delete(pods, target(name), { gracePeriodSeconds: 0 }).catch(ignoreMissing);
      await until(async () => (await client.get(pods, target(name)).catch(ignoreMissing)) === undefined);
      addresses.delete(name);
    },
    async terminatePod(name) {
      await client.delete(pods, target(name), { gracePeriodSeconds: 60 });
      await podWith(client, target(name), ({ metadata }) => metadata.deletionTimestamp !== undefined);
    },
    async askCrafted(probes, timeoutMs) {
      links ??= findPodLinks({ lab, pods: [...probers.keys()].map((end) => podOf(end, namespace)) });
      const wires = (await links).map(openPodWire);
      try {
        const placed = probes.map((probe): CraftedProbe => {
          const wire = wires.find(({ pod }) => pod === podOf(probe.from, namespace));
          const [source, destination] = [probe.from, probe.to].map((end) => slot.place.address(end, probe.family));
          if (wire === undefined || source === undefined || destination === undefined)
            throw new Error(`${probe.from} cannot ask ${probe.to}`);
          return { ...probe, wire, source, destination };
        });
        return await askInTurns({ lab, probes: placed, wires, timeoutMs });
      } finally {
        for (const { socket } of wires) socket.close();
      }
    },
    forgetAssociations: () =>
      forgetAssociations(
        lab,
        [...addresses.values()].flatMap((own) => Object.values(own)),
      ),
    async createService(service) {
      const { spec } = await client.create(services, placedService(service, slot.place));
      const clusterIPs = (spec?.clusterIPs ?? []).map(parseAddress);
      addresses.set(svc(service.name), Object.fromEntries(clusterIPs.map((address) => [address.family, address])));
    },
    async deleteService(name) {
      addresses.delete(svc(name));
      await client.delete(services, target(name));
    },
    async forgetNeighbours() {
      for (const netns of netnses)
        for (const family of ["-4", "-6"]) await run("ip", ["-n", netns, family, "neigh", "flush", "dev", "antrea-gw0"]);
    },
  };
  return { slot, probers };
}

/** A lab that was used before has the fixture already. */
function ignoreExisting(error: unknown): undefined {
  if (isAlreadyExists(error)) return undefined;
  throw error;
}

export function ignoreMissing(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}

const addressesOf = ({ status }: Pod): Addresses =>
  Object.fromEntries((status?.podIPs ?? []).map(({ ip }) => [parseAddress(ip).family, parseAddress(ip)]));

async function podWith(
  client: KubeClient,
  target: { readonly namespace: string; readonly name: string },
  holds: (pod: Pod) => boolean,
): Promise<Pod> {
  let found: Pod | undefined;
  await until(async () => {
    found = await client.get(pods, target);
    return holds(found);
  });
  if (found === undefined) throw new Error(`${target.namespace}/${target.name} is not there`);
  return found;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + podLimitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("waited too long for a pod");
    await wait(pollMs);
  }
}

const neverReady = { exec: { command: ["false"] }, periodSeconds: 1 };
const askedForReadiness = { tcpSocket: { port: 80 }, periodSeconds: 1 };

interface ManifestParts {
  readonly pod: CasePod;
  readonly namespace: string;
  readonly sockets: string;
  readonly socket: string;
}

/** The socket of a pod's prober is in a folder of the host, so that asking it is no traffic of the pod. */
function podManifest({ pod, namespace, sockets, socket }: ManifestParts): Pod {
  const [main, ...second] = containersOf(pod.ports ?? []);
  const listening = pod.hostNetwork ? [] : [`--ports=${servedPorts.join(",")}`];
  const readinessProbe = pod.unready ? neverReady : pod.probed ? askedForReadiness : undefined;
  const spec = {
    nodeName: pod.node,
    terminationGracePeriodSeconds: 0,
    ...(pod.serviceAccount === undefined ? {} : { serviceAccountName: pod.serviceAccount }),
    ...(pod.hostNetwork ? { hostNetwork: true } : {}),
    ...(pod.ends === undefined ? {} : { restartPolicy: "Never" }),
    volumes: [{ name: "sockets", hostPath: { path: sockets } }],
    ...(pod.initPorts === undefined ? {} : { initContainers: [{ name: "init", image, args: ["help"], ports: pod.initPorts.map(portOf) }] }),
    containers: [
      {
        ...main,
        name: "main",
        image,
        args:
          pod.ends === undefined ? ["prober", `--socket=/probers/${socket}`, ...listening] : [pod.ends === "Succeeded" ? "help" : "fail"],
        volumeMounts: [{ name: "sockets", mountPath: "/probers" }],
        ...(readinessProbe === undefined ? {} : { readinessProbe }),
      },
      ...second.map((container) => ({ ...container, image, args: ["pause"] })),
    ],
  };
  return { apiVersion: "v1", kind: "Pod", metadata: { namespace, name: shortNameOf(pod.name), labels: pod.labels }, spec };
}
