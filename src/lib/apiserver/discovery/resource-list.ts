import type { ResourceDefinition } from "../resource.ts";

/** `metav1.APIResource`. */
export interface ApiResource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

export const groupVersionText = ({ group, version }: GroupVersion): string => (group === "" ? version : `${group}/${version}`);

/** `metav1.APIResourceList` of the kinds of one group version. */
export function resourceList(definitions: readonly ResourceDefinition[], groupVersion: GroupVersion) {
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersionText(groupVersion),
    resources: definitions.filter((definition) => sameGroupVersion(definition, groupVersion)).flatMap(apiResources),
  } as const;
}

export const sameGroupVersion = (left: GroupVersion, right: GroupVersion): boolean =>
  left.group === right.group && left.version === right.version;

/** A kind and its subresources, as discovery lists them. */
export function apiResources(definition: ResourceDefinition): ApiResource[] {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories } = definition;
  const main: ApiResource = {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs: [...verbs].sort(),
    ...(shortNames === undefined ? {} : { shortNames }),
    ...(categories === undefined ? {} : { categories }),
  };
  return [main, ...subresources(definition)];
}

function subresources({ resource, namespaced, kind, subresources: own = {} }: ResourceDefinition): ApiResource[] {
  const named = (name: string): Pick<ApiResource, "name" | "singularName" | "namespaced"> => ({
    name: `${resource}/${name}`,
    singularName: "",
    namespaced,
  });
  const readWrite = ["get", "patch", "update"];
  return [
    ...(own.status ? [{ ...named("status"), kind, verbs: readWrite }] : []),
    ...(own.scale ? [{ ...named("scale"), group: "autoscaling", version: "v1", kind: "Scale", verbs: readWrite }] : []),
    ...Object.entries(own.custom ?? {}).map(([name, { kind: ownKind, group, version, verbs }]) => ({
      ...named(name),
      ...(group === undefined ? {} : { group }),
      ...(version === undefined ? {} : { version }),
      kind: ownKind,
      verbs: [...verbs].sort(),
    })),
  ];
}
