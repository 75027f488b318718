import type { Condition } from "#lib/kube/types.ts";
import type { Lookup, ResourceDefinition } from "../resource.ts";
import { timestamp } from "../rules/create.ts";
import { type CustomResourceDefinition, type CustomResourceNames, customResourceDefinitions } from "./types.ts";

/** Kinds that are there before any definition: nobody may take their names. */
export type BuiltIn = readonly Pick<ResourceDefinition, "group" | "resource" | "singular" | "kind" | "listKind" | "shortNames">[];

/** The conditions and names of a definition, as they follow from the other definitions. First come, first served. */
export function acceptNames(
  definition: CustomResourceDefinition,
  { lookup, builtIn, now }: { readonly lookup: Pick<Lookup, "list">; readonly builtIn: BuiltIn; readonly now: number },
): NonNullable<CustomResourceDefinition["status"]> {
  const { names, group, versions } = definition.spec;
  const taken = takenNames(definition, { lookup, builtIn });
  const wanted = [names.plural, names.singular ?? "", ...(names.shortNames ?? [])].filter((name) => name !== "");
  const inUse =
    wanted.find((name) => taken.resources.has(name)) ?? [names.kind, names.listKind ?? ""].find((kind) => taken.kinds.has(kind));
  const before = definition.status?.conditions ?? [];
  const established = before.some(({ type, status }) => type === "Established" && status === "True") || inUse === undefined;
  const accepted: CustomResourceNames = inUse === undefined ? names : (definition.status?.acceptedNames ?? { plural: "", kind: "" });
  const storage = versions.filter((version) => version.storage).map(({ name }) => name);
  const condition = (type: string, status: "True" | "False", reason: string, message: string): Condition => {
    const known = before.find((one) => one.type === type && one.status === status);
    return { type, status, reason, message, lastTransitionTime: known?.lastTransitionTime ?? timestamp(now) };
  };
  const conflict = inUse === undefined ? undefined : `${JSON.stringify(inUse)} is already in use in ${group}`;
  return {
    conditions: [
      conflict === undefined
        ? condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        : condition("NamesAccepted", "False", "NameConflict", conflict),
      established
        ? condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        : condition("Established", "False", "NotAccepted", "not all names are accepted"),
      ...before.filter(({ type }) => type !== "NamesAccepted" && type !== "Established"),
    ],
    acceptedNames: accepted,
    storedVersions: [...new Set([...(definition.status?.storedVersions ?? []), ...storage])],
  };
}

function takenNames(
  { metadata, spec: { group } }: CustomResourceDefinition,
  { lookup, builtIn }: { readonly lookup: Pick<Lookup, "list">; readonly builtIn: BuiltIn },
): { readonly resources: ReadonlySet<string>; readonly kinds: ReadonlySet<string> } {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const kind of builtIn.filter((one) => one.group === group)) {
    for (const name of [kind.resource, kind.singular, ...(kind.shortNames ?? [])]) resources.add(name);
    kinds.add(kind.kind).add(kind.listKind);
  }
  for (const object of lookup.list(customResourceDefinitions)) {
    const other = object as CustomResourceDefinition;
    const { acceptedNames: names } = other.status ?? {};
    if (other.spec.group !== group || other.metadata.name === metadata.name || names === undefined) continue;
    for (const name of [names.plural, names.singular ?? "", ...(names.shortNames ?? [])]) if (name !== "") resources.add(name);
    for (const kind of [names.kind, names.listKind ?? ""]) if (kind !== "") kinds.add(kind);
  }
  return { resources, kinds };
}
