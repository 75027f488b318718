import { kindSchema } from "#lib/apiserver/openapi/meta.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";
import { allVerbs, defineResource, type ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Resource } from "#lib/kube/resource.ts";
import type { KubeObject } from "#lib/kube/types.ts";

/** What a kind has to say of itself; the rest follows from it. */
export interface KindOptions<Kind extends KubeObject>
  extends Partial<Omit<ResourceDefinition<Kind>, "schema" | "store" | "singular" | "listKind" | "resource">> {
  readonly resource: Resource<Kind>;
  /** Package of the kind in OpenAPI: `io.k8s.api.core.v1`. */
  readonly package: string;
  readonly description: string;
  /** Everything but `apiVersion`, `kind` and `metadata`. */
  readonly fields: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

/** A stored kind with all verbs. */
export function kind<Kind extends KubeObject>(options: KindOptions<Kind>): ResourceDefinition {
  const { resource, package: packageName, description, fields, required, ...rest } = options;
  const { group, version, plural, kind: name, namespaced } = resource;
  const id = `${packageName}.${name}`;
  return defineResource<Kind>({
    group,
    version,
    resource: plural,
    singular: name.toLowerCase(),
    kind: name,
    listKind: `${name}List`,
    namespaced,
    verbs: allVerbs,
    schema: kindSchema({ id, group, version, kind: name, description, fields, ...(required === undefined ? {} : { required }) }),
    store: "durable",
    ...rest,
  });
}
