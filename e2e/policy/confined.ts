import type { OtherKind, OtherObject, PolicyCase } from "#core/policy/cases/case.ts";

// Objects of the whole cluster, kept to the namespaces of one slot, so that cases about them run beside each other.

/** The label that tells a slot's namespaces from those of other slots, which have the same `ns`. */
export const slotLabel = "slot";

const policyKinds: readonly OtherKind[] = ["AntreaClusterNetworkPolicy", "K8sClusterNetworkPolicy", "AdminNetworkPolicy"];
const clusterKinds: readonly OtherKind[] = [...policyKinds, "ClusterGroup"];

/**
 * Whether each policy of the case says by its namespaces' labels whom it is about. Cases about everybody stand alone, and so do those with tiers, whose
 * priorities are the cluster's, and with the one BaselineAdminNetworkPolicy.
 */
export function canBeConfined({ steps }: PolicyCase): boolean {
  return steps
    .flatMap(({ changes }) => changes)
    .flatMap((change) => (change.type === "set" ? [change.other] : []))
    .every(({ kind, object }) => {
      if (kind === "Tier" || kind === "BaselineAdminNetworkPolicy") return false;
      return !policyKinds.includes(kind) || subjectsOf(object).every(namesNamespaces);
    });
}

/** The object with its name, the names of groups and the namespaces that it selects kept to a slot. */
export function confined<Object extends OtherObject["object"]>(kind: OtherKind, object: Object, slot: number): Object {
  if (!clusterKinds.includes(kind)) return object;
  const { metadata, ...rest } = object;
  return {
    ...(confinedValue(rest, "", slot) as Omit<Object, "metadata">),
    metadata: { ...metadata, name: confinedName(metadata.name, slot) },
  } as Object;
}

export const confinedKey = (kind: OtherKind, key: string, slot: number): string =>
  clusterKinds.includes(kind) ? confinedName(key, slot) : key;

const confinedName = (name = "", slot: number): string => `${name}-${slot}`;

function confinedValue(value: unknown, field: string, slot: number): unknown {
  if (typeof value === "string") return field === "group" || field === "childGroups" ? confinedName(value, slot) : value;
  if (Array.isArray(value)) return value.map((each: unknown) => confinedValue(each, field, slot));
  if (!isRecord(value)) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, confinedValue(each, name, slot)]));
  const { matchLabels } = inner;
  return isRecord(matchLabels) && "ns" in matchLabels ? { ...inner, matchLabels: { ...matchLabels, [slotLabel]: String(slot) } } : inner;
}

function subjectsOf({ spec = {} }: OtherObject["object"]): readonly unknown[] {
  const lists = [spec, ...rulesOf(spec, "ingress"), ...rulesOf(spec, "egress")].map((each) =>
    isRecord(each) ? each.appliedTo : undefined,
  );
  return [...lists.flatMap((list: unknown) => (Array.isArray(list) ? list : [])), ...("subject" in spec ? [spec.subject] : [])];
}

function rulesOf(spec: object, direction: "ingress" | "egress"): readonly unknown[] {
  const rules: unknown = Reflect.get(spec, direction);
  return Array.isArray(rules) ? rules : [];
}

/** Whether a selector by the label `ns`, or an account's namespace, stands anywhere in the subject. */
function namesNamespaces(subject: unknown): boolean {
  if (!isRecord(subject)) return false;
  if ("serviceAccount" in subject) return true;
  return Object.entries(subject).some(([field, value]) =>
    field === "matchLabels" ? isRecord(value) && "ns" in value : namesNamespaces(value),
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
