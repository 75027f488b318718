import { hash } from "node:crypto";
import { type LabelSelector, type Requirement, requirementsOf } from "#lib/kube/index.ts";

/** Which pods a group consists of: those whose labels meet `pods`, in the one `namespace` or in the namespaces whose labels meet `namespaces`. */
export interface GroupSelector {
  /** Equal names mean equal selectors; made the way the Go implementation makes it, so that groups are called the same. */
  readonly normalizedName: string;
  readonly namespace?: string;
  readonly namespaces?: readonly Requirement[];
  readonly pods: readonly Requirement[];
}

/**
 * An absent `namespaceSelector` means `namespace` alone; an absent `podSelector` every pod there. Throws InvalidSelector of lib/kube for an
 * operator or a value list that Kubernetes does not know.
 */
export function groupSelector(options: {
  readonly namespace: string;
  readonly podSelector?: LabelSelector | undefined;
  readonly namespaceSelector?: LabelSelector | undefined;
}): GroupSelector {
  const { namespace, podSelector, namespaceSelector } = options;
  const parts = [namespaceSelector === undefined ? `namespace=${namespace}` : `namespaceSelector=${selectorText(namespaceSelector)}`];
  if (podSelector !== undefined) parts.push(`podSelector=${selectorText(podSelector)}`);
  return {
    normalizedName: parts.sort().join(" And "),
    ...(namespaceSelector === undefined ? { namespace } : { namespaces: requirementsOf(namespaceSelector) }),
    pods: requirementsOf(podSelector ?? {}),
  };
}

/** The name of the group of a normalised selector: UUIDv5 in a fixed name space of Antrea. */
export function groupName(normalizedName: string): string {
  return uuid5(groupNameSpace, normalizedName);
}

const groupNameSpace = "e4f24a48-ca1f-4d5b-819c-ea7632b22115";

/** RFC 9562 §5.5. */
export function uuid5(nameSpace: string, name: string): string {
  const input = Buffer.concat([Buffer.from(nameSpace.replaceAll("-", ""), "hex"), Buffer.from(name)]);
  const digest = hash("sha1", input, "hex");
  const variant = ((Number.parseInt(digest.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

/** The text that Kubernetes' own label library prints for a selector: requirements by key, values in order. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const requirements = [
    ...Object.entries(matchLabels).map(([key, value]) => ({ key, text: `${key}=${value}` })),
    ...matchExpressions.map(({ key, operator, values = [] }) => ({ key, text: expressionText(key, operator, values) })),
  ];
  return requirements
    .sort((a, b) => compare(a.key, b.key) || compare(a.text, b.text))
    .map(({ text }) => text)
    .join(",");
}

function expressionText(key: string, operator: string, values: readonly string[]): string {
  if (operator === "Exists") return key;
  if (operator === "DoesNotExist") return `!${key}`;
  return `${key} ${operator === "In" ? "in" : "notin"} (${values.toSorted(compare).join(",")})`;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
