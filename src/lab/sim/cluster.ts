import type { Objects } from "#lib/apiserver/objects.ts";
import { isNotFound } from "#lib/kube/index.ts";
import type { KubeObject } from "#lib/kube/types.ts";
import {
  type Duration,
  type Logger,
  minutes,
  type Random,
  seededRandom,
  silentLogger,
  type VirtualClock,
  virtualClock,
} from "#lib/runtime/index.ts";
import { alternating, type Build, type BuildChoice, thisBuild } from "./builds.ts";
import { type SimControlPlane, type SimControlPlaneOptions, startControlPlane, writer } from "./control-plane.ts";
import { createHistory, type WorldHistory } from "./history.ts";
import { createNetwork, type SimNetwork } from "./network.ts";
import { noMutant, type Mutant } from "./mutants.ts";
import { nodeAddresses } from "./node/addresses.ts";
import { createNode, nodeName, type SimNode } from "./node/node.ts";
import { createSnapshotOrder, type SnapshotOrder } from "./snapshot-order.ts";
import { createSumOrder, type SumOrder } from "./sum-order.ts";
import { createObserver, type Observer } from "./observer.ts";
import type { SimServer } from "./http.ts";
import { setFlagsFromString } from "node:v8";
import { shareRows } from "#lib/table/index.ts";
import { createTroubles, type Troubles } from "./trouble.ts";
import type { Fault, UserEvent } from "./scenario.ts";
import type { SimProcess } from "./process.ts";
import { writeEvent } from "./write-event.ts";
import { sharedParse } from "./shared-parse.ts";
import type { Mixing } from "./verdicts.ts";

/** `host` is that of an agent or a controller, `process` the one that answers. */
export type Listening = (component: { readonly host: string; readonly process: SimProcess; readonly port: number }) => void;

/** What the hosts of a simulation share. */
export interface SimCluster {
  readonly clock: VirtualClock;
  readonly logger: Logger;
  readonly network: SimNetwork;
  readonly observer: Observer;
  readonly snapshots: SnapshotOrder;
  readonly mutants: Mutant;
  readonly builds: BuildChoice;
  /** Every process that there is or was. */
  readonly processes: Set<SimProcess>;
  /** How clients read JSON. */
  readonly parse: (text: string) => unknown;
  /** Names of the controllers' hosts. */
  readonly controllers: readonly string[];
  serverOf(host: string): SimServer | undefined;
  readonly at: SimControlPlane["at"];
  /** Hears on which port of this machine's loopback an agent or controller answers. Absent: none of them does. */
  readonly listening?: Listening | undefined;
}

/** A whole cluster in this process. Time moves only by {@link RunningCluster.runUntil}. */
export interface RunningCluster extends SimCluster {
  readonly nodes: readonly SimNode[];
  readonly history: WorldHistory;
  readonly troubles: Troubles;
  readonly controlPlane: SimControlPlane;
  readonly sums: SumOrder;
  /** Lets everything happen that is due until then, in milliseconds of the simulation. Resolves to how many things. */
  runUntil(time: number): Promise<number>;
  /** Writes to the API as a user does, at once. */
  apply(event: UserEvent): Promise<void>;
  /** Lets something go wrong now. Resolves to nothing; what has an end ends by itself. */
  break(fault: Fault): void;
  /** Lets go of everything. */
  end(): void;
}

/** From so many nodes on what they know of each other takes most of the memory. Below, sharing it would only cost: a start of 300 took 13 to 40 % more of the processor. */
const sharedFrom = 300;
/** Else V8 collects a heap of gigabytes for each 64 MB of buffers, and whenever little is allocated: for 5 000 agents that took more than one processor beside the half of one that worked. */
const rareCollections = ["--external-memory-accounted-in-global-limit", "--no-memory-reducer"];

export async function startCluster(options: {
  readonly seed: number;
  readonly nodes: number;
  readonly controllers?: number;
  readonly logger?: Logger;
  readonly mutant?: Mutant;
  /** Default: this one alone. */
  readonly builds?: readonly [Build, ...Build[]];
  readonly mixing?: Mixing;
  /** How long it is to run. Default: some minutes. */
  readonly duration?: Duration;
  readonly listening?: Listening;
  /** Nobody looks at changes of flows by packets of his own, as a script does not want those counted. */
  readonly unobserved?: true;
  /** All controllers of the lab run, instead of that of slices alone: workloads, scheduler, namespaces. */
  readonly workloads?: true;
  readonly addressOf?: SimControlPlaneOptions["addressOf"];
}): Promise<RunningCluster> {
  const { seed, logger = quiet, mutant = noMutant, mixing = "policies", duration = minutes(3) } = options;
  if (options.nodes >= sharedFrom) {
    shareRows();
    for (const flag of rareCollections) setFlagsFromString(flag);
  }
  const builds = alternating(options.builds ?? [thisBuild]);
  const clock = virtualClock();
  const random = seededRandom(seed);
  const own = (): Random => seededRandom(random.below(2 ** 32));
  const network = createNetwork({ clock, random: own() });
  const troubles = createTroubles({ clock });
  const history = createHistory({ clock, oldestUnseen: troubles.oldestUnseenByAny });
  const byName = new Map<string, SimNode>();
  const observer = createObserver({ clock, random: own(), history, troubles, nodeOf: (name) => byName.get(name), mixing, duration });
  const snapshots = createSnapshotOrder({ clock });
  const processes = new Set<SimProcess>();
  const parse = sharedParse();
  const opened = (objects: Objects): void => history.follow(objects);
  const count = options.controllers ?? 1;
  const controlPlane = await startControlPlane({
    clock,
    random: own(),
    logger,
    network,
    controllers: count,
    builds,
    mutant,
    listening: options.listening,
    workloads: options.workloads === true,
    ...(options.addressOf === undefined ? {} : { addressOf: options.addressOf }),
    processes,
    parse,
    opened,
  });
  const serverOf: SimCluster["serverOf"] = (service) => controlPlane.serverOf(service);
  const controllers = controlPlane.controllers.map((controller) => controller.name);
  const shared: SimCluster = {
    clock,
    logger,
    network,
    observer: options.unobserved ? { ...observer, changing: () => {} } : observer,
    snapshots,
    mutants: mutant,
    builds,
    processes,
    parse,
    controllers,
    serverOf,
    at: controlPlane.at,
    listening: options.listening,
  };
  const { K8sNetworkPolicy, AntreaClusterNetworkPolicy, AntreaNetworkPolicy } = history.present;
  const policies = (): ReadonlySet<string> =>
    new Set(
      [K8sNetworkPolicy, AntreaClusterNetworkPolicy, AntreaNetworkPolicy].flatMap((kind) =>
        [...kind.values()].flatMap(({ metadata }) => metadata.uid ?? []),
      ),
    );
  const mayHaveForgotten = (): boolean =>
    (controllers.length === 1 || ["all", ...controllers].some((name) => troubles.has(name))) &&
    [...byName.keys()].some((name) => troubles.has(name));
  const asking = { clock, random: seededRandom(seed ^ 0x2f6e2b1), network, processes, controllers, serverOf };
  const sums = createSumOrder({ ...asking, policies, mayHaveForgotten });
  await makeNodes(controlPlane.objects, options.nodes);
  const nodes = Array.from({ length: options.nodes }, (_, index) => createNode({ cluster: shared, index, random: own() }));
  for (const node of nodes) byName.set(node.name, node);
  for (const node of nodes) node.start();

  const runUntil = async (time: number): Promise<number> => {
    let steps = 0;
    for (;;) {
      // What was started by the last step, and by whoever calls, comes to rest first.
      await nextTurn();
      const due = clock.next;
      if (due === undefined || due > time) break;
      clock.step();
      steps++;
    }
    clock.advance(time - clock.monotonic());
    return steps;
  };
  const later = (delay: number, run: () => void): void => void clock.after(delay, run);
  const during = (who: string, length: number, begin: () => void, end: () => void): void => {
    const over = troubles.begin(who);
    begin();
    later(length, () => {
      end();
      over();
    });
  };
  /** What goes wrong with a controller is no trouble for nodes while there is another: they move to it in less time than a change may take. */
  const troubled = (host: string): string => {
    if (byName.has(host)) return host;
    const others = controllers.filter((name) => name !== host);
    return controllers.includes(host) && others.some((name) => !troubles.has(name)) && !troubles.has("all") ? host : "all";
  };

  const controllerOf = (name: string) => controlPlane.controllers.find((each) => each.name === name);
  return {
    ...shared,
    nodes,
    history,
    troubles,
    controlPlane,
    sums,
    runUntil,
    end() {
      for (const process of processes) process.end();
      processes.clear();
    },
    async apply(event) {
      history.catchUp();
      try {
        await writeEvent(controlPlane.objects, event);
      } catch (error) {
        // A scenario that is shrunk deletes and labels what was never made.
        if (!isNotFound(error) && (error as { readonly status?: { readonly code?: number } }).status?.code !== 404) throw error;
      }
    },
    break(fault) {
      const node = "node" in fault ? byName.get(fault.node) : "of" in fault ? byName.get(fault.of) : undefined;
      switch (fault.do) {
        case "kill":
          if (node !== undefined)
            during(
              node.name,
              fault.for,
              () => node.killAgent(),
              () => node.startAgent(),
            );
          else
            during(
              troubled(fault.of),
              fault.for,
              () => controllerOf(fault.of)?.kill(),
              () => controllerOf(fault.of)?.start(),
            );
          return;
        case "pause": {
          const process = node === undefined ? controllerOf(fault.of)?.process : node.agent;
          during(
            troubled(fault.of),
            fault.for,
            () => process?.pause(),
            () => process?.resume(),
          );
          return;
        }
        case "cut":
          during(
            troubled(fault.host),
            0,
            () => network.cut(fault.host),
            () => {},
          );
          return;
        case "isolate":
          during(
            troubled(fault.host),
            fault.for,
            () => network.isolate(fault.host),
            () => network.heal(fault.host),
          );
          return;
        case "fall-behind":
          // Who follows it learns of nothing, until it says itself that it hears nothing.
          during(
            "all",
            fault.for,
            () => network.isolate(fault.of, "kubernetes"),
            () => network.heal(fault.of, "kubernetes"),
          );
          return;
        case "lose":
          during(
            "all",
            fault.for,
            () => Object.assign(network, { loss: fault.segments }),
            () => Object.assign(network, { loss: 0 }),
          );
          return;
        case "slow-api":
          during(
            "all",
            fault.for,
            () => Object.assign(controlPlane.weather, { slow: fault.delay, failing: fault.failing }),
            () => Object.assign(controlPlane.weather, { slow: 0, failing: 0 }),
          );
          return;
        case "restart-api":
          during(
            "all",
            0,
            () => controlPlane.restartApi(),
            () => {},
          );
          return;
        case "fill-disk":
          if (node !== undefined)
            during(
              node.name,
              fault.for,
              () => Object.assign(node.disk, { full: true }),
              () => Object.assign(node.disk, { full: false }),
            );
          return;
        case "skew":
          if (node !== undefined)
            during(
              node.name,
              fault.for,
              () => Object.assign(node, { skew: fault.by }),
              () => Object.assign(node, { skew: 0 }),
            );
          return;
        case "lose-database":
          if (node !== undefined)
            during(
              node.name,
              fault.for,
              () => node.loseDatabase(),
              () => node.restoreDatabase(),
            );
          return;
        case "restart-switch":
          if (node !== undefined)
            during(
              node.name,
              0,
              () => node.bridge.restart(),
              () => {},
            );
      }
    },
  };
}

/** Logs nothing, and makes no text of it. */
const quiet: Logger = { ...silentLogger, level: "error", error() {}, warn() {}, info() {}, debug() {}, trace() {}, with: () => quiet };

/** Everything that waits for no timer comes to rest. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const core = (resource: string) => ({ group: "", resource });
async function makeNodes(objects: Objects, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const name = nodeName(index);
    const { podCIDRs, addresses } = nodeAddresses(index);
    const metadata = { name, labels: { "kubernetes.io/hostname": name } };
    const node = { apiVersion: "v1", kind: "Node", metadata, spec: { podCIDR: podCIDRs[0], podCIDRs } };
    await objects.create(core("nodes"), node as KubeObject, writer);
    const status = {
      addresses: addresses.map((address) => ({ type: "InternalIP", address })),
      conditions: [{ type: "Ready", status: "True" }],
    };
    await objects.update(core("nodes"), { namespace: "", name }, (draft) => Object.assign(draft, { status }), {
      ...writer,
      subresource: "status",
    });
  }
}
