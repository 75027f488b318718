import type { RemoteNode } from "#core/pipeline/rows.ts";
import { createWorkqueue } from "#lib/kube/index.ts";
import type { Netlink, NetworkEvent } from "#lib/netlink/index.ts";
import type { Nftables } from "#lib/nftables/index.ts";
import { type Duration, minutes, type Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { applyGateway, applyRoutes, applySettings } from "./apply.ts";
import { type HostNetworkInput, type LocalPod, settings } from "./desired.ts";
import { firewallTables } from "./firewall.ts";

export interface HostNetworkOptions extends Omit<HostNetworkInput, "remoteNodes" | "localPods"> {
  readonly runtime: Runtime;
  readonly netlink: Netlink;
  readonly nftables: Nftables;
  readonly remoteNodes: ReadTable<RemoteNode>;
  /** Pods that the node reaches one by one; absent where a block of its own holds them. */
  readonly localPods?: ReadTable<LocalPod>;
  /** `snatFullyRandomPorts`. */
  readonly fullyRandomPorts: boolean;
  readonly signal: AbortSignal;
}

export interface HostNetwork {
  /** Resolves when all of it was right for the first time: pods reach their gateway from then on. */
  whenReady(): Promise<void>;
  /** Resolves when the routes that follow from the tables' rows of now were applied; one that failed is among {@link failures}. Rejects with the signal's reason. */
  whenRouted(signal: AbortSignal): Promise<void>;
  /** What is not right at the moment, by part, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
}

/** Even what nobody tells of (nft tables, settings) is put right after this time at the latest. */
const auditEvery: Duration = minutes(1);

const parts = ["settings", "gateway", "routes", "firewall"] as const;
type Part = (typeof parts)[number];

/** Keeps the node's own network as the agent needs it: reads back, applies the difference, never touches what is not ours. */
export async function keepHostNetwork(options: HostNetworkOptions): Promise<HostNetwork> {
  const { runtime, netlink, nftables, remoteNodes, localPods, signal, fullyRandomPorts } = options;
  const { home } = netlink;
  const logger = runtime.logger.with({ component: "host-network" });
  const pending = new Set<Part>(parts);
  const ready = Promise.withResolvers<void>();
  const routeWaiters: (() => void)[] = [];

  const work: Readonly<Record<Part, (input: HostNetworkInput) => Promise<void>>> = {
    settings: (input) => applySettings(home, settings(input), logger),
    gateway: (input) => applyGateway(home, input),
    routes: (input) => applyRoutes(home, input, { mayDelete: remoteNodes.synced && (localPods?.synced ?? true) }),
    firewall: async (input) => {
      for (const table of firewallTables(input, { fullyRandomPorts })) {
        if (await nftables.apply(table)) logger.info("nftables changed", { family: table.family, table: table.name });
      }
      if (input.datapath === "system") await nftables.remove("netdev", "antrea");
    },
  };
  const queue = createWorkqueue({
    runtime: { ...runtime, logger },
    name: "host network",
    signal,
    // One part after the other: routes need the gateway's addresses.
    concurrency: 1,
    work: async (part) => {
      if (!isPart(part)) return;
      const waiting = part === "routes" ? routeWaiters.splice(0) : [];
      try {
        await work[part]({ ...options, remoteNodes: [...remoteNodes.rows()], localPods: [...(localPods?.rows() ?? [])] });
      } finally {
        for (const done of waiting) done();
      }
      pending.delete(part);
      if (pending.size === 0) ready.resolve();
    },
  });
  const all = (): void => {
    for (const part of parts) queue.add(part);
  };
  const onEvent = (event: NetworkEvent): void => {
    for (const part of concerned(event, options.gateway)) queue.add(part);
  };
  let timer = { cancel() {} };
  const audit = (): void => {
    all();
    timer = runtime.clock.after(auditEvery, audit, { background: true });
  };

  const unwatch = await home.watch(["link", "address", "route"], onEvent);
  const unsubscribe = remoteNodes.subscribe(() => {
    queue.add("routes");
    queue.add("firewall");
  });
  void remoteNodes.whenSynced().then(() => queue.add("routes"));
  const unsubscribePods = localPods?.subscribe(() => queue.add("routes"));
  void localPods?.whenSynced().then(() => queue.add("routes"));
  signal.addEventListener(
    "abort",
    () => {
      timer.cancel();
      unsubscribe();
      unsubscribePods?.();
      unwatch().catch(() => {});
      ready.reject(signal.reason);
    },
    { once: true },
  );
  ready.promise.catch(() => {});
  audit();
  const whenRouted = (giveUp: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      giveUp.addEventListener("abort", () => reject(giveUp.reason), { once: true });
      routeWaiters.push(resolve);
      queue.add("routes");
    });
  return { whenReady: () => ready.promise, whenRouted, failures: queue.failures };
}

const isPart = (key: string): key is Part => (parts as readonly string[]).includes(key);

/** Which parts an event may have put wrong. */
function concerned(event: NetworkEvent, gateway: string): readonly Part[] {
  switch (event.kind) {
    case "link":
      // A gateway that was made anew has lost its settings, addresses, routes and the chain on it.
      return event.link.name !== gateway ? [] : event.change === "new" ? ["gateway", "settings", "routes", "firewall"] : [];
    case "address":
      return ["gateway"];
    case "route":
      return event.change === "deleted" ? ["routes"] : [];
    case "overrun":
      return parts;
  }
}
