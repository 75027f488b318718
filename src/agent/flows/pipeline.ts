import type { NetworkPolicy } from "#core/api/controlplane/index.ts";
import { createFlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger } from "#core/pipeline/group-ledger.ts";
import {
  compileGateway,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  type Gateway,
  learnedTables,
  type LocalPort,
  type Pipeline,
  type RemoteNode,
  type Tunnel,
} from "#core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyCompiler, type PolicyProblem, policyTables } from "#core/pipeline/policy/index.ts";
import { createServiceCompiler, createServiceNumbers, serviceOwner } from "#core/pipeline/service/index.ts";
import type { Frontend } from "#core/services/index.ts";
import { readCookie } from "#core/pipeline/cookie.ts";
import type { Family } from "#lib/ip/index.ts";
import type { KubeClient } from "#lib/kube/index.ts";
import type { ControllerReplicas } from "../controllers/replicas.ts";
import type { Pod } from "#lib/kube/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import type { Meter } from "#lib/openflow/meter.ts";
import { type Files, milliseconds, orAborted, type Runtime, seconds, systemFiles } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import {
  type FollowedPolicies,
  followPolicies,
  type FoundSnapshot,
  type PodAtRevision,
  findSnapshot,
  reportRealization,
} from "../policies/index.ts";
import type { DriftLog } from "../drift.ts";
import type { FqdnRules } from "../fqdn/index.ts";
import type { NodeStatistics } from "../statistics/index.ts";
import { prove } from "./prove.ts";
import { type FlowOperations, type FlowStatus, type FlowTarget, reconcileFlows } from "./reconciler.ts";
import { createPolicyFailures } from "./policy-failures.ts";
import { keepPodPorts, portOwner } from "./pod-ports.ts";
import { createSnapshotKeeper } from "./snapshot-keeper.ts";

export interface FlowPipelineOptions {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<FlowTarget>;
  readonly gateway: Gateway;
  /** Absent where packets between nodes take no tunnel. */
  readonly tunnel?: Tunnel;
  /** Families that pods may have; those of the gateway's addresses where nothing else is said. */
  readonly families?: readonly Family[];
  readonly ports: ReadTable<LocalPort>;
  readonly remoteNodes: ReadTable<RemoteNode>;
  /** Services by `namespace/name`. Absent when the pipeline has no tables for them. */
  readonly services?: ReadTable<ServiceRow>;
  /** Where controlplane.antrea.io is served. */
  readonly controllers: ControllerReplicas;
  readonly node: string;
  /** Pods of this node; with them new ones get policies also while no controller is there ({@link followPolicies}). */
  readonly pods?: ReadTable<Pod>;
  /** Where the policies in force are kept for the next start. */
  readonly snapshotFile: string;
  /** What is there from the start before. Default: it is read. */
  readonly found?: FoundSnapshot;
  /** Rules with names, between the controller's objects and the compiler. Absent: such rules stay closed. */
  readonly fqdn?: Pick<FqdnRules, "attach" | "complete">;
  /** Resolves when the switch has nothing cached from before the call: what policies are proven with. Absent: nobody can ask. */
  readonly cacheFresh?: () => Promise<void>;
  /** The switch has flows of another layout, which forward until all of ours are there: this table leads into either. */
  readonly entersBy?: number;
  /** Called then: resolves when no packet takes the old flows any more. */
  readonly whenEntered?: () => Promise<void>;
  /** Meters that flows name; see the pipeline's packet-in categories. */
  readonly meters?: readonly Meter[];
  readonly files?: Files;
  /** Hears what others changed in the switch and is repaired. */
  readonly drift?: DriftLog;
  /** Hears of each batch of flow changes that the switch dealt with. */
  readonly onChanges?: (operations: FlowOperations) => void;
  /** Hears that a controller has told all that there is: another one, or the same anew. */
  readonly onListed?: (controller: { readonly ours: boolean }) => void;
  /** Counts what policies do. Absent: nothing is counted. */
  readonly statistics?: Pick<NodeStatistics, "nameBy" | "whenListening">;
  readonly signal: AbortSignal;
}

/** Each controller by its own address, or the one way to whichever answers. */
export const reachable = (controllers: ControllerReplicas): readonly KubeClient[] => {
  const known = controllers.known();
  const direct = known.filter(({ standing }) => standing !== "indirect");
  return (direct.length > 0 ? direct : known).map(({ client }) => client);
};

/** What the switch serves of a Service. */
export interface ServiceRow {
  /** `namespace/name`. */
  readonly key: string;
  readonly frontends: readonly Frontend[];
}

/** The flow side of the agent. */
export interface FlowPipeline {
  /**
   * Opens a new pod: waits until the controller's policies for it are known as of `resourceVersion` and its port is in the ports table, then
   * until interface and policies are in force in the switch. Until then the pod is closed. Rejects with the signal's reason, or with
   * FlowsRefused.
   */
  podReady(pod: PodAtRevision & { readonly interfaceName: string }): Promise<void>;
  /** Opens a pod with the policies known so far, for a setting that prefers connectivity to certainty. Resolves when that is in force. */
  openPod(pod: { readonly interfaceName: string; readonly signal?: AbortSignal }): Promise<void>;
  /** Closes a pod to new connections until it is made ready again. */
  closePod(interfaceName: string): void;
  /** Resolves when everything that rows and controller have said up to now is in force in the switch. */
  whenInForce(signal?: AbortSignal): Promise<void>;
  /** Hears each time that changes are in force in the switch. */
  onInForce(listener: () => void): () => void;
  /** Resolves when every source has spoken and all their flows are in force: forwarding may resume. */
  whenInSync(signal?: AbortSignal): Promise<void>;
  readonly policies: FollowedPolicies;
  policyProblems(): readonly PolicyProblem[];
  /** How much the policies need of the switch beyond one page of peer sets for each pod, by direction. */
  policyFigures(): ReturnType<PolicyCompiler["figures"]>;
  /** The rule behind a packet that came for the audit log. */
  auditedRule: PolicyCompiler["auditedRule"];
  /** The rule of that id, by its names. */
  countedRule: PolicyCompiler["countedRule"];
  /** Flows, as desired, of a policy by its UID: those of its rules. Lookups and profiles are shared and not among them. */
  flowsOfPolicy(uid: string): readonly Flow[];
  /** Flows and groups, as desired, of a Service (`namespace/name`). */
  ofService(service: string): { readonly flows: readonly Flow[]; readonly groups: readonly Group[] };
  status(): FlowStatus;
  /** Why a start without the controller would lack policies that are enforced now; undefined when it would not. */
  snapshotProblem(): string | undefined;
  /** Leaves on disk what is in force, once the signal aborted. */
  close(): Promise<void>;
}

/** Rows and policies in, flows in the switch out. */
export async function createFlowPipeline(options: FlowPipelineOptions): Promise<FlowPipeline> {
  const {
    runtime,
    pipeline,
    connect,
    gateway,
    tunnel,
    families = familiesOf(gateway),
    ports,
    remoteNodes,
    services,
    controllers,
    node,
    snapshotFile,
    cacheFresh = () => Promise.reject(new Error("nobody is there to ask it")),
    files = systemFiles,
    signal,
  } = options;
  const { snapshot, problem: snapshotProblem } = options.found ?? (await findSnapshot(snapshotFile, files));
  if (snapshotProblem !== undefined) runtime.logger.error("starting without the snapshot of policies", { error: snapshotProblem });
  const ledger = createFlowLedger();
  const groups = createGroupLedger();
  const numbers = createServiceNumbers();
  const compiler = createPolicyCompiler({
    pipeline,
    ledger,
    families,
    remembered: snapshot?.allocations,
    metered: (options.meters ?? []).length > 0,
    services: services === undefined ? undefined : numbers,
  });
  options.statistics?.nameBy(compiler);
  const ruleTables = pipeline.tables.filter(({ name }) => policyTables.some((table) => table === name)).map(({ number }) => number);
  const policyOf = (flow: Flow): string | undefined => compiler.policiesLacking([flow]).values().next().value;
  const due = { compile: false };
  /**
   * All that was there before this start is known, and which ports are open. Until then nothing is compiled and no snapshot kept: without ports, policies are of nobody, so that flows which are right
   * would lose what is for them, and a snapshot the numbers.
   */
  const start = { isOver: false, ended: Promise.withResolvers<void>() };

  const tellInForce = (): void => realization.inForce(failures.byPolicy, policies.isWhole ? policies.computed() : undefined);
  /** The switch has all that was handed over. */
  const allIsInForce = (): boolean => !due.compile && !ledger.changed && reconciler.idle() && reconciler.status().connected;
  const compileNow = (): void => {
    if (!start.isOver) return;
    due.compile = false;
    if (!policies.ready) return;
    compiler.compile();
    // What changes no flow is in force at once.
    if (!allIsInForce()) return;
    keeper.inForce();
    tellInForce();
  };
  const compileSoon = (): void => {
    keeper.touch();
    if (due.compile) return;
    due.compile = true;
    // Behind everything that this turn of the event loop brings; while the switch works on earlier changes, behind those. There is no timer.
    runtime.clock.soon(() => {
      if (due.compile && reconciler.idle()) compileNow();
    });
  };
  const keeper = createSnapshotKeeper({
    runtime,
    file: snapshotFile,
    files,
    policies: () => policies,
    compiler,
    openPorts: () => podPorts.opened(),
    found: snapshotProblem,
    signal,
  });

  // What no row changes
  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, gateway));
  if (tunnel !== undefined) ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  // The way to other nodes and to the pods of this one
  if (tunnel !== undefined)
    remoteNodes.subscribe(
      ({ key, after }) => ledger.set(`node/${key}`, after === undefined ? [] : compileRemoteNode(pipeline, after, tunnel)),
      { replay: true },
    );
  const podPorts = keepPodPorts({ pipeline, ledger, compiler, ports, changed: compileSoon });
  // Services
  if (services !== undefined) {
    const compileService = createServiceCompiler({ pipeline, flows: ledger, groups, numbers });
    services.subscribe(({ key, after }) => compileService.set(key, after?.frontends ?? []), { replay: true });
  }
  // Policies
  const realization = reportRealization({
    runtime,
    clients: () => reachable(controllers),
    node,
    prove: () => prove({ clock: runtime.clock, reconciler, tables: ruleTables, policyOf, cacheFresh, signal }),
    membersEvery: () => milliseconds(Math.max(membersEvery, (policies.heartbeat() ?? 0) * heartbeatsPerReport)),
    signal,
  });
  /** As the controller told them, by name: what the compiler gets may have groups in place of names. */
  const written = new Map<string, NetworkPolicy>();
  const enforced = {
    ...compiler,
    setPolicy(policy: NetworkPolicy): void {
      compiler.setPolicy(policy);
      realization.set(written.get(policy.name) ?? policy);
    },
    removePolicy(name: string): void {
      written.delete(name);
      compiler.removePolicy(name);
      realization.remove(name);
    },
  };
  const target =
    options.fqdn?.attach({
      target: enforced,
      changed: compileSoon,
      setFlows: (owner, flows) => ledger.set(owner, flows),
      async whenInForce() {
        await orAborted(start.ended.promise, signal);
        compileNow();
        await reconciler.whenApplied({ signal });
      },
    }) ?? enforced;
  const withMembers =
    <Change>(hand: (change: Change) => void): ((change: Change) => void) =>
    (change) => {
      realization.membersChanged();
      hand(change);
    };
  const policies = followPolicies({
    runtime,
    replicas: controllers,
    node,
    target: {
      ...target,
      setPolicy(policy) {
        written.set(policy.name, policy);
        target.setPolicy(policy);
      },
      setAddressGroup: withMembers(target.setAddressGroup),
      patchAddressGroup: withMembers(target.patchAddressGroup),
      removeAddressGroup: withMembers(target.removeAddressGroup),
      setAppliedToGroup: withMembers(target.setAppliedToGroup),
      patchAppliedToGroup: withMembers(target.patchAppliedToGroup),
      removeAppliedToGroup: withMembers(target.removeAppliedToGroup),
    },
    snapshot,
    ...(options.pods === undefined ? {} : { pods: options.pods }),
    changed: compileSoon,
    contained() {
      keeper.touch();
      if (!start.isOver || !policies.ready || !allIsInForce()) return;
      keeper.inForce();
      tellInForce();
    },
    listed(controller) {
      realization.tellAgain(controller);
      options.onListed?.(controller);
    },
    signal,
  });
  const reconciler = reconcileFlows({
    runtime,
    ledger,
    groups,
    ...(options.meters === undefined ? {} : { meters: options.meters }),
    ...(options.entersBy === undefined ? {} : { entersBy: options.entersBy, cacheFresh: options.whenEntered ?? cacheFresh }),
    connect,
    tables: pipeline.tables.map(({ number }) => number),
    learned: pipeline.tables.filter(({ name }) => learnedTables.includes(name)).map(({ number }) => number),
    ...(options.drift === undefined ? {} : { drift: options.drift }),
    ...(options.onChanges === undefined ? {} : { onChanges: options.onChanges }),
    ...(options.statistics === undefined ? {} : { beforeChanges: options.statistics.whenListening }),
    signal,
  });
  const failures = createPolicyFailures({ compiler, refused: () => reconciler.status().refused, logger: runtime.logger });
  reconciler.onSettled(() => {
    failures.closeForRefused();
    // Until what that changes is in force nothing is told.
    const closes = ledger.changed;
    const more = compiler.settle();
    failures.tell();
    if (closes || due.compile || more) compileNow();
    else {
      if (start.isOver) keeper.inForce();
      if (policies.ready) tellInForce();
    }
  });

  const inSync = (async (): Promise<void> => {
    await ports.whenSynced();
    // Pods that were here before this start have been judged before it; a later one waits for podReady.
    const present = [...ports.rows()];
    await Promise.all([remoteNodes.whenSynced(), services?.whenSynced(), policies.whenReady(signal)]);
    for (const port of present) {
      if (snapshot === undefined || snapshot.openPorts.includes(port.interfaceName)) podPorts.open(port.interfaceName);
      // Younger than the snapshot, which may lack its groups.
      else
        void policies.whenComputed({ namespace: port.podNamespace, name: port.podName, signal }).then(
          () => podPorts.open(port.interfaceName),
          () => {},
        );
    }
    options.fqdn?.complete();
    start.isOver = true;
    compileNow();
    reconciler.complete();
    start.ended.resolve();
    await reconciler.whenApplied({ signal });
  })();
  inSync.catch(() => {});

  const openPod = async (name: string, giveUp: AbortSignal | undefined): Promise<void> => {
    await podPorts.whenPresent(name, giveUp);
    await orAborted(start.ended.promise, giveUp ?? signal);
    podPorts.open(name);
    compileNow();
    const owners = [portOwner(name), ...compiler.ownersOfPort(name)];
    await reconciler.whenApplied({ owners, ...(giveUp === undefined ? {} : { signal: giveUp }) });
  };
  return {
    async podReady({ interfaceName, ...pod }) {
      await policies.whenComputed(pod);
      await openPod(interfaceName, pod.signal);
    },
    openPod: ({ interfaceName, signal: giveUp }) => openPod(interfaceName, giveUp),
    closePod: podPorts.close,
    async whenInForce(giveUp) {
      await orAborted(start.ended.promise, giveUp ?? signal);
      compileNow();
      await reconciler.whenApplied(giveUp === undefined ? {} : { signal: giveUp });
    },
    onInForce: (listener) => reconciler.onChanged(listener),
    whenInSync: (giveUp) => (giveUp === undefined ? inSync : orAborted(inSync, giveUp)),
    policies,
    policyProblems: () => compiler.problems(),
    policyFigures: () => compiler.figures(),
    auditedRule: compiler.auditedRule,
    countedRule: compiler.countedRule,
    flowsOfPolicy(uid) {
      const ids = new Set(compiler.ruleIdsOf(uid));
      return [...ledger.flows()].map(([, flow]) => flow).filter((flow) => isRuleFlow(flow, ids));
    },
    ofService: (service) => ({ flows: ledger.flowsOf(serviceOwner(service)), groups: groups.groupsOf(serviceOwner(service)) }),
    status: () => reconciler.status(),
    snapshotProblem: () => keeper.problem(),
    close: () => keeper.close(),
  };
}

/** How often a node tells that members changed and are proven: more would be reading all the time, for a status. */
const membersEvery = seconds(1);
/** Controllers with many agents tell rarer heartbeats, so that all together are no more than they can bear; reports are a fifth of that. */
const heartbeatsPerReport = 5;

const familiesOf = ({ addresses }: Gateway): Family[] => [...new Set(addresses.map(({ family }) => family))];

function isRuleFlow({ cookie }: Flow, ruleIds: ReadonlySet<number>): boolean {
  const meaning = readCookie(cookie);
  return meaning?.category === "networkPolicy" && ruleIds.has(meaning.object);
}
