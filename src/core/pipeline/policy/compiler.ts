import type {
  Direction,
  Group,
  GroupMember,
  GroupPatch,
  NamedPort,
  NetworkPolicy,
  PolicyReference,
  RuleAction,
} from "#core/api/controlplane/index.ts";
import { memberKey } from "#core/api/controlplane/index.ts";
import type { AuditedRule, Disposition } from "#core/audit/index.ts";
import { createMemberIndex } from "#core/sets/index.ts";
import type { Family } from "#lib/ip/index.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import { readCookie } from "../cookie.ts";
import type { FlowLedger } from "../flow-ledger.ts";
import type { LocalPort } from "../rows.ts";
import type { ServiceNumbers } from "../service/index.ts";
import type { Pipeline } from "../tables.ts";
import type { PolicyAllocations } from "./allocations.ts";
import { type LayerName, layerNames } from "./layers.ts";
import { type EncodingLimits, encodingLimits } from "./limits.ts";
import { type LoweredPolicy, type LoweredRule, lowerOnce, type PolicyProblem } from "./lowered-rule.ts";
import { actionOf } from "./placed-rules.ts";
import { classify, type VariantCache } from "./profile.ts";
import { createRuleIds } from "./rule-ids.ts";
import { createRuleNames } from "./rule-names.ts";
import { createShares } from "./shares.ts";
import { createSideCompiler, type PortSubject, portOwner, type SideFigures } from "./side-compiler.ts";
import { policySides } from "./sides.ts";
import { createSubjects, podKey } from "./subjects.ts";

/**
 * Keeps the policy flows of a node in step with the controller's objects and the local ports. Changes are noted as they come and turned into
 * flows by {@link PolicyCompiler.compile}, in time proportional to what they touch.
 */
export interface PolicyCompiler {
  setPolicy(policy: NetworkPolicy): void;
  removePolicy(name: string): void;
  setAddressGroup(group: Group): void;
  patchAddressGroup(patch: GroupPatch): void;
  removeAddressGroup(name: string): void;
  setAppliedToGroup(group: Group): void;
  patchAppliedToGroup(patch: GroupPatch): void;
  removeAppliedToGroup(name: string): void;
  /** A port whose pod's policies are known. Ports that were never set are closed. */
  setPort(port: LocalPort): void;
  removePort(interfaceName: string): void;
  /** Writes the flows for everything noted since the last call. */
  compile(): void;
  /**
   * Tells that the switch has all flows written so far: numbers given back may be used again. True when {@link PolicyCompiler.compile} has
   * something to do for it: rules that had no place for want of numbers may get one, and rounds that are not needed any more can go.
   */
  settle(): boolean;
  /** The numbers given away. The same object as before, as long as they are the same. */
  allocations(): PolicyAllocations;
  /**
   * Says which flows the switch does not take: of them, and no others, from now on. Ports for which more would pass than policies say are closed to what is new, in that
   * direction; the ledger has that at once. Gives those that were not closed before.
   */
  refused(flows: readonly Flow[]): readonly string[];
  /** UIDs of policies that are not enforced as written while the switch lacks these flows. */
  policiesLacking(flows: Iterable<Flow>): ReadonlySet<string>;
  problems(): readonly PolicyProblem[];
  /** What policies need beyond one page of peer sets, by direction. */
  figures(): Readonly<Record<Direction, SideFigures>>;
  /** The rule behind a packet that came for the audit log; undefined when it is gone meanwhile, or not logged any more. */
  auditedRule(packet: AuditedFlow): AuditedRule | undefined;
  /** The policy (by UID) of the rule that a connection or a flow's cookie names. */
  policyOfRule(ruleId: number): string | undefined;
  /** What statistics count under a rule's id; undefined when nothing is known of it. Of rules that went, the last ones are remembered. */
  countedRule(ruleId: number): CountedRule | undefined;
  /** The names of a policy's rules, by its UID; undefined when it is not known here. */
  ruleNamesOf(policy: string): ReadonlySet<string> | undefined;
  /** Whose flows in the ledger decide which policies hold for a port. */
  ownersOfPort(interfaceName: string): readonly string[];
  /** Ids of a policy's rules, as in cookies and connection labels. */
  ruleIdsOf(policy: string): readonly number[];
}

/** A rule as statistics name it. */
export interface CountedRule {
  readonly policy: PolicyReference;
  /** Absent for rules of Kubernetes policies. */
  readonly rule?: string;
  readonly action: RuleAction;
  /** False when the policy has no such rule any more, or is not known on this node. */
  readonly present: boolean;
  /** Its namespace asks that clients be told of what it denies. */
  readonly refusing: boolean;
}

/** Where a packet left the tables for the audit log. */
export interface AuditedFlow {
  /** Object of the flow's cookie: a rule's id, 0 for the default drop of Kubernetes policies. */
  readonly object: number;
  readonly table: string;
  /** The port whose pod the rule holds for: for ingress the one that the packet goes to, for egress the one that it came by. */
  readonly interfaceName: (direction: Direction) => string | undefined;
}

export interface PolicyCompilerOptions {
  readonly pipeline: Pipeline;
  readonly ledger: FlowLedger;
  readonly families?: readonly Family[];
  readonly remembered?: PolicyAllocations | undefined;
  readonly limits?: EncodingLimits;
  /** Packets that rules send to the agent are bound by meters, of each pod and of their category, which must be there. Default false. */
  readonly metered?: boolean;
  /** Numbers of Services, shared with what writes them to connections; absent where the switch does not forward these. */
  readonly services?: ServiceNumbers | undefined;
}

const directions: readonly Direction[] = ["In", "Out"];

export function createPolicyCompiler({
  pipeline,
  ledger,
  families = [4, 6],
  remembered,
  limits = encodingLimits,
  metered = false,
  services,
}: PolicyCompilerOptions): PolicyCompiler {
  const index = createMemberIndex<GroupMember>(memberKey);
  const subjects = createSubjects();
  const ruleIds = createRuleIds();
  const sides = directions.map((direction) => ({
    direction,
    compiler: createSideCompiler({
      pipeline,
      side: policySides[direction],
      families,
      ledger,
      index,
      ruleIds,
      limits,
      metered,
      services,
      remembered: remembered?.[direction],
    }),
  }));
  const policies = new Map<string, LoweredPolicy>();
  const rulesOfGroup = new Map<string, Map<string, LoweredRule>>();
  const ports = new Map<string, LocalPort>();
  const portsOfPod = new Map<string, Set<string>>();
  const shares = metered ? createShares({ pipeline, ledger, ports }) : undefined;
  const changedPorts = new Set<string>();
  const changedPods = new Set<string>();
  const variants: VariantCache = new Map();
  /** Namespaces whose isolated pods' clients are told. */
  const refusing = new Set<string>();
  const names = createRuleNames({ ruleIds, policies });
  /** Ports that were closed for want of flows in the switch. */
  let closed: ReadonlySet<string> = new Set();
  /** Asked for after each change; undefined until then. */
  let known: readonly PolicyProblem[] | undefined;
  /** As it was told last. */
  let given: PolicyAllocations | undefined;
  /** By key, as its policy names it now. */
  const loggedRules = new Map<string, LoweredRule>();

  const file = (rule: LoweredRule, present: boolean): void => {
    for (const group of rule.appliedTo) {
      const rules = rulesOfGroup.get(group) ?? new Map<string, LoweredRule>();
      if (present) rules.set(rule.key, rule);
      else rules.delete(rule.key);
      if (rules.size > 0) rulesOfGroup.set(group, rules);
      else rulesOfGroup.delete(group);
      for (const pod of subjects.podsOf(group)) changedPods.add(pod);
    }
    for (const service of rule.toServices)
      if (present) services?.hold(service);
      else services?.release(service);
    if (present) return;
    ruleIds.forget(rule.key);
    variants.delete(rule.key);
  };
  const setRules = (name: string, policy: NetworkPolicy | undefined): void => {
    known = undefined;
    const before = policies.get(name);
    const lowered = policy === undefined ? undefined : lowerOnce(policy, { seesServices: services !== undefined });
    shares?.rulesChanged(before?.rules ?? [], lowered?.rules ?? []);
    const kept = commonKeys(before?.rules ?? [], lowered?.rules ?? []);
    for (const rule of before?.rules ?? [])
      if (before !== undefined && !kept.has(rule.key)) {
        names.remember(before, rule);
        file(rule, false);
      }
    for (const rule of lowered?.rules ?? []) if (!kept.has(rule.key)) file(rule, true);
    for (const { key, logged } of before?.rules ?? []) if (logged !== undefined) loggedRules.delete(key);
    for (const rule of lowered?.rules ?? []) if (rule.logged !== undefined) loggedRules.set(rule.key, rule);
    if (lowered === undefined) policies.delete(name);
    else policies.set(name, lowered);
    // All Kubernetes policies of a namespace agree, but for the moment in which that changes.
    const { type, namespace = "" } = (lowered ?? before)?.source ?? {};
    if (type !== "K8sNetworkPolicy" || lowered === undefined) return;
    if (lowered.refusing) refusing.add(namespace);
    else refusing.delete(namespace);
  };
  /** Looks up what holds for each pod once for all pods that are in the same groups and declare the same ports. */
  const subjectsOf = (names: Iterable<string>, direction: Direction): Map<string, PortSubject | undefined> => {
    const classes = new Map<string, PortSubject["rules"]>();
    return new Map(
      [...names].map((name) => {
        const port = ports.get(name);
        if (port === undefined) return [name, undefined] as const;
        const pod = podKey({ namespace: port.podNamespace, name: port.podName });
        const groups = [...subjects.groupsOf(pod)].sort();
        const namedPorts = subjects.portsOf(pod);
        const likeness = JSON.stringify([groups, namedPorts]);
        const rules = classes.get(likeness) ?? classesOf(groups, direction, namedPorts);
        classes.set(likeness, rules);
        return [name, { port, rules }] as const;
      }),
    );
  };
  const classesOf = (groups: Iterable<string>, direction: Direction, namedPorts: readonly NamedPort[]): PortSubject["rules"] => {
    const byLayer: Record<LayerName, LoweredRule[]> = { tiers: [], kubernetes: [], baseline: [] };
    for (const rule of rulesOf(groups, direction)) byLayer[rule.layer].push(rule);
    const isIsolated = byLayer.kubernetes.length > 0;
    return {
      tiers: classify(isIsolated ? byLayer.tiers.filter(({ isolates }) => !isolates) : byLayer.tiers, namedPorts, variants),
      kubernetes: classify(byLayer.kubernetes, namedPorts, variants),
      baseline: classify(isIsolated ? [] : byLayer.baseline, namedPorts, variants),
    };
  };
  const rulesOf = function* (groups: Iterable<string>, direction: Direction): Generator<LoweredRule> {
    for (const group of groups) for (const rule of rulesOfGroup.get(group)?.values() ?? []) if (rule.direction === direction) yield rule;
  };
  /** Of policies whose pods have more rules than there are numbers for. */
  const tooMany = ({ direction, compiler }: (typeof sides)[number]): PolicyProblem[] =>
    [...subjectsOf(compiler.withoutNumbers(), direction)].flatMap(([, subject]) => {
      if (subject === undefined) return [];
      const { podNamespace, podName } = subject.port;
      const way = direction === "In" ? "to" : "from";
      const reason = `pod ${podNamespace}/${podName} is under more rules than there are numbers for (${limits.orderedRules} in one layer): nothing new ${way} it passes`;
      const keys = layerNames.flatMap((layer) => [...subject.rules[layer].rules.keys()]);
      return [...new Set(keys.map((key) => key.slice(0, key.indexOf("/"))))].map((policy) => ({ policy, reason }));
    });
  const findProblems = (): readonly PolicyProblem[] => {
    const refused = sides
      .flatMap(({ compiler }) => [...compiler.refused()])
      .map(([key, reason]): PolicyProblem => {
        const policy = key.slice(0, key.indexOf("/"));
        return { policy, reason: `${policies.get(policy)?.name ?? policy}: ${reason}; what it allows stays closed` };
      });
    return [...[...policies.values()].flatMap(({ problems }) => problems), ...refused, ...sides.flatMap(tooMany)];
  };
  const policyOfRule = (ruleId: number): string | undefined => {
    const key = ruleIds.keyOf(ruleId);
    return key?.slice(0, key.indexOf("/"));
  };

  return {
    setPolicy: (policy) => setRules(policy.name, policy),
    removePolicy: (name) => setRules(name, undefined),
    setAddressGroup: ({ name, members }) => index.replace(name, members),
    patchAddressGroup: ({ name, ...change }) => index.change(name, change),
    removeAddressGroup: (name) => index.remove(name),
    setAppliedToGroup: (group) => subjects.replace(group),
    patchAppliedToGroup: (patch) => subjects.patch(patch),
    removeAppliedToGroup: (name) => subjects.remove(name),
    setPort(port) {
      const pod = podKey({ namespace: port.podNamespace, name: port.podName });
      ports.set(port.interfaceName, port);
      portsOfPod.set(pod, (portsOfPod.get(pod) ?? new Set<string>()).add(port.interfaceName));
      changedPorts.add(port.interfaceName);
    },
    removePort(name) {
      const port = ports.get(name);
      if (port === undefined) return;
      ports.delete(name);
      const pod = podKey({ namespace: port.podNamespace, name: port.podName });
      portsOfPod.get(pod)?.delete(name);
      if (portsOfPod.get(pod)?.size === 0) portsOfPod.delete(pod);
      changedPorts.add(name);
    },
    compile() {
      known = undefined;
      const pods = new Set([...changedPods, ...subjects.takeChangedPods()]);
      changedPods.clear();
      for (const pod of pods) for (const name of portsOfPod.get(pod) ?? []) changedPorts.add(name);
      shares?.compile(changedPorts);
      const members = index.takeChanges();
      for (const { direction, compiler } of sides) compiler.compile({ ports: subjectsOf(changedPorts, direction), members });
      changedPorts.clear();
      // Asking for numbers of a named port for the first time notes the parts' addresses as changed.
      const late = { ...index.takeChanges(), groups: new Set<string>(), numbersOf: new Set<string>() };
      if (late.addresses.length > 0) for (const { compiler } of sides) compiler.compile({ ports: new Map(), members: late });
    },
    settle: () => sides.map(({ compiler }) => compiler.settle()).includes(true),
    allocations() {
      const isAsBefore = sides.every(({ direction, compiler }) => given?.[direction] === compiler.allocations());
      if (given === undefined || !isAsBefore)
        given = Object.fromEntries(sides.map(({ direction, compiler }) => [direction, compiler.allocations()])) as PolicyAllocations;
      return given;
    },
    refused(flows) {
      if (flows.length === 0 && closed.size === 0) return [];
      known = undefined;
      const now = new Set<string>();
      for (const { direction, compiler } of sides) {
        const { opened } = compiler.dependentsOf(flows);
        compiler.close(opened);
        for (const name of opened) now.add(`${name} ${direction}`);
      }
      const fresh = [...now].filter((each) => !closed.has(each));
      closed = now;
      return fresh;
    },
    policiesLacking(flows) {
      const found = new Set<string>();
      const shared: Flow[] = [];
      for (const flow of flows) {
        const policy = policyOfRule(readCookie(flow.cookie)?.object ?? 0);
        if (policy === undefined) shared.push(flow);
        else found.add(policy);
      }
      for (const { compiler } of shared.length === 0 ? [] : sides)
        for (const policy of compiler.dependentsOf(shared).policies) found.add(policy);
      return found;
    },
    problems: () => (known ??= findProblems()),
    figures: () =>
      Object.fromEntries(sides.map(({ direction, compiler }) => [direction, compiler.figures()])) as Record<Direction, SideFigures>,
    auditedRule({ object, table, interfaceName }) {
      const side = directions
        .map((each) => policySides[each])
        .find(({ rule, tierRule, defaultRule }) => [rule, tierRule, defaultRule].some((name) => name === table));
      if (side === undefined) return undefined;
      const { direction } = side;
      if (object === 0) {
        const namespace = ports.get(interfaceName(direction) ?? "")?.podNamespace ?? "";
        return table === side.defaultRule ? { direction, disposition: refusing.has(namespace) ? "Reject" : "Drop" } : undefined;
      }
      const rule = loggedRules.get(ruleIds.keyOf(object) ?? "");
      if (rule?.logged === undefined) return undefined;
      const port = interfaceName(direction);
      const known = variants.get(rule.key);
      const compiler = sides.find((each) => each.direction === direction)?.compiler;
      const placed =
        port === undefined || known === undefined
          ? undefined
          : compiler?.placeOf(port, rule.layer, known instanceof Map ? known.values() : [known]);
      const told = (action: RuleAction): Disposition => (rule.staged ? `Staged${action}` : action);
      if (placed === undefined) return { ...rule.logged, direction, disposition: told(rule.action) };
      return { ...rule.logged, direction, disposition: told(actionOf(placed)), priority: placed.priority };
    },
    policyOfRule,
    countedRule: names.find,
    ruleNamesOf: (policy) => {
      const rules = policies.get(policy)?.rules;
      return rules === undefined ? undefined : new Set(rules.flatMap(({ name }) => name ?? []));
    },
    ownersOfPort: (name) => directions.map((direction) => portOwner(direction, name)),
    ruleIdsOf: (policy) => (policies.get(policy)?.rules ?? []).map(({ key }) => ruleIds.idOf(key)),
  };
}

/** Keys of rules that both versions of a policy have. */
function commonKeys(before: readonly LoweredRule[], after: readonly LoweredRule[]): ReadonlySet<string> {
  if (before.length === 0) return noKeys;
  const present = new Set(before.map(({ key }) => key));
  return new Set(after.flatMap(({ key }) => (present.has(key) ? [key] : [])));
}

const noKeys: ReadonlySet<string> = new Set();
