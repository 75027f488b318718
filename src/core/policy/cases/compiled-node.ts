import { createFlowLedger, type FlowLedger } from "#core/pipeline/flow-ledger.ts";
import { createGroupLedger, type GroupLedger } from "#core/pipeline/group-ledger.ts";
import {
  compileGateway,
  compileLocalPort,
  compileRemoteNode,
  compileSkeleton,
  compileTunnel,
  createPipeline,
  learnedTables,
  type Gateway,
  type LocalPort,
  type Pipeline,
  type RemoteNode,
  type Tunnel,
} from "#core/pipeline/index.ts";
import { createPolicyCompiler, type PolicyAllocations } from "#core/pipeline/policy/index.ts";
import { createServiceCompiler, createServiceNumbers } from "#core/pipeline/service/index.ts";
import type { Frontend } from "#core/services/index.ts";
import type { PolicyChanges } from "../changes.ts";

/** What the agent of a node compiles of rows and of what the engine published for it, without the agent. */
export interface CompiledNode {
  /** The flows and groups that should be in the switch. */
  readonly ledger: FlowLedger;
  readonly groups: GroupLedger;
  /** Numbers of the pipeline's tables. */
  readonly tables: readonly number[];
  /** Those that the switch fills itself. */
  readonly learned: readonly number[];
  /** Makes the pods' ports exactly these. A port that stays is left alone. */
  setPorts(ports: readonly LocalPort[]): void;
  /** Makes the Services exactly these, each with its frontends. */
  setServices(services: ReadonlyMap<string, readonly Frontend[]>): void;
  /** Takes what the engine published. */
  deliver(changes: PolicyChanges): void;
  /** Puts what was delivered into the ledgers. */
  compile(): void;
  /** Says that the ledgers are in force: numbers that were given back are free again. */
  settle(): void;
}

export interface CompiledNodeOptions {
  readonly name: string;
  readonly gateway: Gateway;
  readonly tunnel: Tunnel;
  readonly remotes?: readonly RemoteNode[];
  /** The numbers that another compilation of the same node gave away. */
  readonly remembered?: PolicyAllocations | undefined;
  /** Default: all features on the userspace datapath. */
  readonly pipeline?: Pipeline;
  /** What goes to the agent is bound by meters. Default false. */
  readonly metered?: boolean;
  /** Changes of more flows may reach the switch in parts. Default: that of the ledger. */
  readonly atOnce?: number | undefined;
}

export function createCompiledNode({
  name,
  gateway,
  tunnel,
  remotes = [],
  remembered,
  pipeline = createPipeline(),
  metered = false,
  atOnce,
}: CompiledNodeOptions): CompiledNode {
  const ledger = createFlowLedger(atOnce === undefined ? {} : { atOnce });
  const groups = createGroupLedger();
  const numbers = createServiceNumbers();
  const compiler = createPolicyCompiler({ pipeline, ledger, remembered, metered, services: numbers });
  const serviceCompiler = createServiceCompiler({ pipeline, flows: ledger, groups, numbers });
  const known = { policies: new Set<string>(), addressGroups: new Set<string>(), appliedToGroups: new Set<string>() };
  let services: readonly string[] = [];
  let ports: ReadonlySet<string> = new Set();

  ledger.set("skeleton", compileSkeleton(pipeline));
  ledger.set("gateway", compileGateway(pipeline, gateway));
  ledger.set("tunnel", compileTunnel(pipeline, tunnel));
  for (const remote of remotes) ledger.set(`remote/${remote.name}`, compileRemoteNode(pipeline, remote, tunnel));

  return {
    ledger,
    groups,
    tables: pipeline.tables.map(({ number }) => number),
    learned: pipeline.tables.filter(({ name }) => learnedTables.includes(name)).map(({ number }) => number),
    setPorts(wanted) {
      const names = new Set(wanted.map(({ interfaceName }) => interfaceName));
      for (const gone of ports)
        if (!names.has(gone)) {
          ledger.remove(`port/${gone}`);
          compiler.removePort(gone);
        }
      for (const port of wanted) {
        if (ports.has(port.interfaceName)) continue;
        ledger.set(`port/${port.interfaceName}`, compileLocalPort(pipeline, port));
        compiler.setPort(port);
      }
      ports = names;
    },
    setServices(wanted) {
      for (const service of services) if (!wanted.has(service)) serviceCompiler.set(service, []);
      for (const [service, frontends] of wanted) serviceCompiler.set(service, frontends);
      services = [...wanted.keys()];
    },
    deliver(changes) {
      for (const { name: policy, row, gained, lost, event, contentChanged } of changes.policies) {
        if (lost.includes(name) || (event === "deleted" && known.policies.has(policy))) {
          known.policies.delete(policy);
          compiler.removePolicy(policy);
        } else if (gained.includes(name) || (known.policies.has(policy) && contentChanged)) {
          known.policies.add(policy);
          compiler.setPolicy(row);
        }
      }
      for (const change of changes.addressGroups) {
        if (change.lost.includes(name)) {
          known.addressGroups.delete(change.name);
          compiler.removeAddressGroup(change.name);
        } else if (change.gained.includes(name)) {
          known.addressGroups.add(change.name);
          compiler.setAddressGroup(change.group());
        } else if (known.addressGroups.has(change.name)) compiler.patchAddressGroup({ ...change, uid: change.name });
      }
      for (const change of changes.appliedToGroups) {
        if (change.lost.includes(name)) {
          known.appliedToGroups.delete(change.name);
          compiler.removeAppliedToGroup(change.name);
        } else if (change.gained.includes(name)) {
          known.appliedToGroups.add(change.name);
          compiler.setAppliedToGroup(change.group(name));
        } else if (known.appliedToGroups.has(change.name)) {
          const { added = [], removed = [] } = change.byNode.get(name) ?? {};
          compiler.patchAppliedToGroup({ name: change.name, uid: change.name, added, removed });
        }
      }
    },
    compile: () => compiler.compile(),
    settle: () => compiler.settle(),
  };
}
