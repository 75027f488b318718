import { type CompiledNode, createCompiledNode } from "#core/policy/cases/compiled-node.ts";
import type { World } from "#core/policy/cases/reference.ts";
import { createPolicyObjects, type PolicyObjectKind, type PolicyObjectKinds } from "#core/policy/index.ts";
import type { Gateway, LocalPort, Tunnel } from "#core/pipeline/index.ts";
import { keyOf } from "#lib/kube/index.ts";
import { changedConnection } from "#lib/openflow/changed-connection.ts";
import { OpenFlowConnectionLost } from "#lib/openflow/connection.ts";
import { milliseconds, type Random, type Runtime, silentLogger, systemClock, systemRuntime } from "#lib/runtime/index.ts";
import { type FlowTarget, reconcileFlows } from "../reconciler.ts";

/** A node whose switch is kept as the policies of a changing world say, by engine, compiler and reconciler as they are in the product. */
export interface ChangingNode {
  /** Resolves when the switch has acknowledged everything that the world asks for. */
  become(world: World): Promise<void>;
  flowCount(): number;
  stop(): void;
}

export interface ChangingNodeOptions {
  readonly gateway: Gateway;
  readonly tunnel: Tunnel;
  readonly ports: readonly LocalPort[];
  readonly connect: (signal: AbortSignal) => Promise<FlowTarget>;
  /** Changes of more flows may reach the switch in parts. Default: as in the product. */
  readonly atOnce?: number;
}

/** Waits between attempts to connect are of no interest here; audits keep their time. */
const runtime: Runtime = {
  ...systemRuntime(),
  logger: silentLogger,
  clock: {
    ...systemClock,
    after: (delay, run, options) => systemClock.after(delay < milliseconds(100) ? milliseconds(0) : delay, run, options),
  },
};

export function createChangingNode(options: ChangingNodeOptions): ChangingNode {
  const { gateway, tunnel, ports, connect, atOnce } = options;
  const stop = new AbortController();
  const objects = createPolicyObjects();
  const node: CompiledNode = createCompiledNode({ name: "node-1", gateway, tunnel, atOnce });
  node.setPorts(ports);
  const { ledger, groups, tables, learned } = node;
  const reconciler = reconcileFlows({ runtime, ledger, groups, connect, tables, learned, signal: stop.signal });
  reconciler.complete();
  /** What the engine has, by kind and name: what is equal is not given again. */
  const present = new Map<string, string>();
  let last: ReadonlyMap<string, readonly [PolicyObjectKind, string]> = new Map();
  return {
    async become({ namespaces, pods, policies, antreaPolicies = [] }) {
      const now = new Map<string, readonly [PolicyObjectKind, string]>();
      const give = <Kind extends PolicyObjectKind>(kind: Kind, given: readonly PolicyObjectKinds[Kind][]): void => {
        for (const object of given) {
          const key = keyOf(object);
          const text = JSON.stringify(object);
          const name = `${kind} ${key}`;
          now.set(name, [kind, key]);
          if (present.get(name) === text) continue;
          present.set(name, text);
          objects.apply(kind, key, object);
        }
      };
      give("Namespace", namespaces);
      give(
        "K8sNetworkPolicy",
        policies.map((policy) => ({ ...policy, metadata: { ...policy.metadata, uid: keyOf(policy) } })),
      );
      give("AntreaClusterNetworkPolicy", antreaPolicies);
      give("Pod", pods);
      for (const [name, [kind, key]] of last)
        if (!now.has(name)) {
          present.delete(name);
          objects.apply(kind, key, undefined);
        }
      last = now;
      node.deliver(objects.flush());
      node.compile();
      await reconciler.whenApplied();
      node.settle();
    },
    flowCount: () => ledger.size,
    stop: () => stop.abort(),
  };
}

/** A fault for tests of the test: what is no longer wanted goes before what takes its place has come, in a bundle of its own. */
export function removingFirst(target: FlowTarget): FlowTarget {
  return changedConnection(target, {
    async change(changes) {
      const removals = changes.filter(({ command }) => command === "delete_strict");
      const rest = changes.filter((change) => !removals.includes(change));
      for (const part of [removals, rest]) if (part.length > 0) await target.change(part);
    },
  });
}

/** Another: one table after the other in the order that packets meet them, so that a port has its new profile before the rules are there. */
export function tablesForward(target: FlowTarget): FlowTarget {
  const tableOf = (change: Parameters<FlowTarget["change"]>[0][number]): number => ("flow" in change ? change.flow.table : -1);
  return changedConnection(target, {
    async change(changes) {
      const byTable = Map.groupBy(changes, tableOf);
      for (const [, part] of [...byTable].sort(([one], [other]) => one - other)) await target.change(part);
    },
  });
}

/** Sends changes in parts of so many, between which packets pass, as large ones go. */
export function inParts(target: FlowTarget, size: number): FlowTarget {
  return changedConnection(target, {
    async change(changes, { onCommitted } = {}) {
      for (let next = 0; next < changes.length; next += size) {
        await target.change(changes.slice(next, next + size));
        onCommitted?.(Math.min(changes.length, next + size));
      }
    },
  });
}

/**
 * Sends changes in parts, and cuts the connection in the middle of three out of four: before any part, or when the switch has made it and did not get to say so.
 * `onCut` hears of each.
 */
export function cutting(
  target: FlowTarget,
  { partSize, random, onCut }: { readonly partSize: number; readonly random: Random; readonly onCut: () => void },
): FlowTarget {
  const cut = (): never => {
    onCut();
    target.close();
    throw new OpenFlowConnectionLost("cut by the test");
  };
  return changedConnection(target, {
    change(changes, options) {
      const moments = 2 * Math.ceil(changes.length / partSize);
      const moment = random.below(4) > 0 ? random.below(moments) : undefined;
      let passed = 0;
      const next = (): void => void (passed++ === moment && cut());
      const watched = changedConnection(target, {
        async change(part) {
          next();
          await target.change(part);
          next();
        },
      });
      return inParts(watched, partSize).change(changes, options);
    },
  });
}
