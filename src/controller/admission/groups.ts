import type { AntreaGroup } from "#core/api/antrea/group.ts";
import { checkBlock, isMulticast } from "./blocks.ts";
import { checkLabels } from "./labels.ts";
import { refusal } from "./places.ts";
import type { AdmissionRequest, Verdict } from "./review.ts";

export interface GroupContext {
  /** Groups of the same kind and namespace. */
  readonly siblings: readonly AntreaGroup[];
}

export function checkGroup({ object }: Pick<AdmissionRequest, "object">, { siblings }: GroupContext): Verdict {
  const { metadata, spec = {} } = object as AntreaGroup;
  const { namespace, name = "" } = metadata;
  const self = namespace === undefined ? `ClusterGroup ${name}` : `Group ${namespace}/${name}`;
  const denial = checkKinds(spec) ?? checkLabels(spec, "spec") ?? checkBlocks(spec) ?? checkChildren({ name, self, spec, siblings });
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
    : refusal(
        "At most one of podSelector, nodeSelector, externalEntitySelector, serviceReference, ipBlocks or childGroups can be set for a group, " +
          "namespaceSelector only beside podSelector or externalEntitySelector",
        `spec.${kinds.join(", spec.")}`,
      );
}

function checkBlocks({ ipBlocks = [] }: Spec): string | undefined {
  for (const [index, block] of ipBlocks.entries()) {
    const problem = checkBlock(block);
    if (problem !== undefined) return refusal(problem, `spec.ipBlocks[${index}]`);
  }
  const grouped = ipBlocks.findIndex(({ cidr }) => isMulticast(cidr));
  return grouped >= 0 && ipBlocks.some(({ cidr }) => !isMulticast(cidr))
    ? refusal("can not set multicast groupAddress together with unicast ip address", `spec.ipBlocks[${grouped}]`)
    : undefined;
}

/** One level of nesting. Children that do not exist yet may come to exist. */
function checkChildren(options: {
  readonly name: string;
  readonly self: string;
  readonly spec: Spec;
  readonly siblings: readonly AntreaGroup[];
}): string | undefined {
  const { name, self, siblings } = options;
  const { childGroups = [] } = options.spec;
  if (childGroups.length === 0) return undefined;
  const place = "spec.childGroups";
  if (childGroups.includes(name)) return refusal(`cannot set ${self} as its own childGroup`, place);
  const parents = siblings.filter(({ metadata, spec }) => metadata.name !== name && (spec?.childGroups ?? []).includes(name));
  if (parents.length > 0)
    return refusal(`cannot set childGroups for ${self}, who has ${parents.length} parents: ${parents[0]?.metadata.name}`, place);
  const byName = new Map(siblings.map(({ metadata, spec }) => [metadata.name, spec?.childGroups ?? []]));
  for (const child of childGroups) {
    const grandchildren = byName.get(child)?.length ?? 0;
    if (grandchildren > 0) return refusal(`cannot set group ${child} as childGroup, who has ${grandchildren} childGroups itself`, place);
  }
  return undefined;
}
