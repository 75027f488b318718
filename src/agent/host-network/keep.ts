import type { RemoteNode } from "#core/pipeline/rows.ts";
import { createWorkqueue } from "#lib/kube/index.ts";
import type { Netlink, NetworkEvent } from "#lib/netlink/index.ts";
import type { Nftables } from "#lib/nftables/index.ts";
import { type Duration, errorMessage, onAbort, type Runtime, seconds, type Timer } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { DriftLog } from "../drift.ts";
import { applyGateway, applySettings, type Repair } from "./apply.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import { type HostNetworkInput, type LocalPod, settings } from "./desired.ts";
import { type RefusedRow, RowsRefused } from "./errors.ts";
import { firewallTables } from "./firewall.ts";
import { createRouteKeeper } from "./route-keeper.ts";

export interface HostNetworkOptions extends Omit<HostNetworkInput, "remoteNodes" | "localPods"> {
  readonly runtime: Runtime;
  readonly netlink: Netlink;
  readonly nftables: Nftables;
  readonly remoteNodes: ReadTable<RemoteNode>;
  /** Pods that the node reaches one by one; absent where a block of its own holds them. */
  readonly localPods?: ReadTable<LocalPod>;
  /** `snatFullyRandomPorts`. */
  readonly fullyRandomPorts: boolean;
  /** Hears what others changed and is repaired. */
  readonly drift?: DriftLog;
  readonly signal: AbortSignal;
}

export interface HostNetwork {
  /** Resolves when all of it was right for the first time: pods reach their gateway from then on. */
  whenReady(): Promise<void>;
  /** Resolves when the routes that follow from the tables' rows of now were applied; one that failed is among {@link failures}. Rejects with the signal's reason. */
  whenRouted(signal: AbortSignal): Promise<void>;
  /** What is not right at the moment, by part, with the reason. */
  readonly failures: ReadonlyMap<string, string>;
  /** The same row by row, where rows can be told apart. */
  refused(): readonly RefusedRow[];
}

/** Nobody tells of settings: they are looked at this often. */
const auditEvery: Duration = seconds(5);
/** Changes of routes and nftables are told, and to read them all takes longer: this is for what was not told. */
const auditsToFull = 12;
/** Others may change nftables all the time: ours are looked at no more often than this. */
const firewallCheckEvery: Duration = seconds(2);

const parts = ["settings", "gateway", "routes", "firewall"] as const;
type Part = (typeof parts)[number];

/** Keeps the node's own network as the agent needs it: reads back, applies the difference, never touches what is not ours. */
export async function keepHostNetwork(options: HostNetworkOptions): Promise<HostNetwork> {
  const { runtime, netlink, nftables, remoteNodes, localPods, signal, fullyRandomPorts, drift } = options;
  const { home } = netlink;
  const logger = runtime.logger.with({ component: "host-network" });
  const pending = new Set<Part>(parts);
  const ready = Promise.withResolvers<void>();
  const routeWaiters: (() => void)[] = [];

  /** Parts whose rows changed: what is found there is not somebody else's doing. */
  const changedRows = new Set<Part>(parts);

  const routes = createRouteKeeper(home, options);
  const refused = new Map<Part, readonly RefusedRow[]>();

  const work: Readonly<Record<Part, (input: HostNetworkInput, attempts: Attempts) => Promise<readonly Repair[]>>> = {
    settings: (input, attempts) => applySettings(home, settings(input), { logger, attempts }),
    gateway: (input) => applyGateway(home, input),
    routes: (input, attempts) => routes.apply(input, { mayDelete: remoteNodes.synced && (localPods?.synced ?? true), attempts }),
    firewall: async (input, attempts) => {
      const repairs: Repair[] = [];
      for (const table of firewallTables(input, { fullyRandomPorts })) {
        const what = `table ${table.family} ${table.name}`;
        await attempts.row(`nftables ${what}`, async () => {
          if (!(await nftables.apply(table))) return;
          logger.info("nftables changed", { family: table.family, table: table.name });
          repairs.push({ target: "nftables", finding: "changed", what });
        });
      }
      if (input.datapath === "system") await nftables.remove("netdev", "antrea");
      return repairs;
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
      const expected = changedRows.delete(part);
      try {
        const attempts = createAttempts();
        // The others are looked at much more often than a cluster's rows need to be.
        const rows =
          part === "routes" || part === "firewall"
            ? { remoteNodes: [...remoteNodes.rows()], localPods: [...(localPods?.rows() ?? [])] }
            : noRows;
        const input = { ...options, ...rows };
        const repairs = await work[part](input, attempts);
        if (!expected) for (const repair of repairs) drift?.found(repair);
        attempts.end();
        refused.delete(part);
      } catch (error) {
        if (expected) changedRows.add(part);
        refused.set(part, error instanceof RowsRefused ? error.rows : [{ row: part, reason: errorMessage(error) }]);
        throw error;
      } finally {
        for (const done of waiting) done();
      }
      pending.delete(part);
      if (pending.size === 0) ready.resolve();
    },
  });
  const timers: { audit?: Timer; firewall?: Timer } = {};
  const firewall = { again: false };
  /** At once, but for a while only once more. */
  const checkFirewall = (): void => {
    if (timers.firewall !== undefined) {
      firewall.again = true;
      return;
    }
    firewall.again = false;
    queue.add("firewall");
    timers.firewall = runtime.clock.after(
      firewallCheckEvery,
      () => {
        delete timers.firewall;
        if (firewall.again) checkFirewall();
      },
      { background: true },
    );
  };
  const onEvent = (event: NetworkEvent): void => {
    if (event.kind === "nftables") checkFirewall();
    else if (event.kind !== "route" || routes.heard(event)) for (const part of concerned(event, options.gateway)) lookAt(part);
  };
  const lookAt = (part: Part): void => {
    if (part === "routes") routes.doubt();
    queue.add(part);
  };
  let audits = 0;
  const audit = (): void => {
    for (const part of ["settings", "gateway"] satisfies Part[]) queue.add(part);
    if (audits++ % auditsToFull === 0) {
      lookAt("routes");
      checkFirewall();
    }
    timers.audit = runtime.clock.after(auditEvery, audit, { background: true });
  };
  /** Rows changed: what follows from them is to be made, which is nobody's doing but ours. */
  const changed = (...concernedParts: readonly Part[]) => {
    return (): void => {
      for (const part of concernedParts) {
        changedRows.add(part);
        queue.add(part);
      }
    };
  };

  const unwatch = await home.watch(["link", "address", "route", "nftables"], onEvent);
  const unsubscribe = remoteNodes.subscribe(changed("routes", "firewall"));
  void remoteNodes.whenSynced().then(changed("routes"));
  const unsubscribePods = localPods?.subscribe(changed("routes"));
  void localPods?.whenSynced().then(changed("routes"));
  onAbort(signal, () => {
    timers.audit?.cancel();
    timers.firewall?.cancel();
    unsubscribe();
    unsubscribePods?.();
    unwatch().catch(() => {});
    ready.reject(signal.reason);
  });
  ready.promise.catch(() => {});
  changed(...parts)();
  audit();
  const whenRouted = (giveUp: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      giveUp.addEventListener("abort", () => reject(giveUp.reason), { once: true });
      routeWaiters.push(resolve);
      queue.add("routes");
    });
  return { whenReady: () => ready.promise, whenRouted, failures: queue.failures, refused: () => [...refused.values()].flat() };
}

const noRows = { remoteNodes: [], localPods: [] };

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
      return ["routes"];
    case "nftables":
      return ["firewall"];
    case "overrun":
      return parts;
  }
}
