import type { AntreaGroup } from "#core/api/antrea/group.ts";
import { checkBlock, isMulticast } from "./blocks.ts";
import { checkLabels } from "./labels.ts";
import type { AdmissionRequest, Verdict } from "./review.ts";

export interface GroupContext {
  /** Groups of the same kind and namespace. */
  readonly siblings: readonly AntreaGroup[];
}

export function checkGroup({ object }: Pick<AdmissionRequest, "object">, { siblings }: GroupContext): Verdict {
  const { metadata, spec = {} } = object as AntreaGroup;
  const denial =
    checkKinds(spec) ??
    checkLabels([spec.podSelector, spec.namespaceSelector, spec.externalEntitySelector, spec.nodeSelector]) ??
    checkBlocks(spec) ??
    checkChildren(metadata.name ?? "", spec, siblings);
  return denial === undefined ? {} : { denial };
}

type Spec = NonNullable<AntreaGroup["spec"]>;

/** One way to select; namespaces together with pods or with external entities. */
function checkKinds(spec: Spec): string | undefined {
  const present = (["podSelector", "namespaceSelector", "externalEntitySelector", "nodeSelector", "serviceReference"] as const).filter(
    (kind) => spec[kind] !== undefined,
  );
  const lists = (["ipBlocks", "childGroups"] as const).filter((kind) => (spec[kind] ?? []).length > 0);
  const kinds = [...present, ...lists];
  if (kinds.length <= 1) return undefined;
  const isPair =
    kinds.length === 2 &&
    kinds.includes("namespaceSelector") &&
    (kinds.includes("podSelector") || kinds.includes("externalEntitySelector"));
  return isPair
    ? undefined
    : "At most one of podSelector/namespaceSelector, serviceReference, ipBlocks, childGroups, externalEntitySelector or nodeSelector can be set for a group";
}

function checkBlocks({ ipBlocks = [] }: Spec): string | undefined {
  for (const block of ipBlocks) {
    const problem = checkBlock(block);
    if (problem !== undefined) return problem;
  }
  const grouped = ipBlocks.filter(({ cidr }) => isMulticast(cidr));
  return grouped.length > 0 && grouped.length < ipBlocks.length ? "can not set multicast ipBlock together with unicast ipBlock" : undefined;
}

/** One level of nesting. Children that do not exist yet may come to exist. */
function checkChildren(name: string, { childGroups = [] }: Spec, siblings: readonly AntreaGroup[]): string | undefined {
  if (childGroups.length === 0) return undefined;
  const parent = siblings.find(({ metadata, spec }) => metadata.name !== name && (spec?.childGroups ?? []).includes(name));
  if (parent !== undefined) return `cannot set childGroups for group ${name}, who has a parent group ${parent.metadata.name}`;
  for (const child of childGroups) {
    if (child === name) return `cannot select itself as a childGroup`;
    const found = siblings.find(({ metadata }) => metadata.name === child);
    if ((found?.spec?.childGroups ?? []).length > 0) return `cannot set childGroup ${child}, who has childGroups itself`;
  }
  return undefined;
}
