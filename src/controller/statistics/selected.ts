import { badRequest } from "#lib/apiserver/errors.ts";
import type { Selection } from "#lib/apiserver/resource-store.ts";
import { type KubeObject, matchesRequirements } from "#lib/kube/index.ts";

/** Those of `objects` that a list asks for, by namespace and name. Throws BadRequest for fields that statistics are not chosen by. */
export function selected<Kind extends KubeObject>(
  objects: Iterable<Kind>,
  { namespace, labelSelector, fieldSelector }: Pick<Selection, "namespace" | "labelSelector" | "fieldSelector">,
): Kind[] {
  const place = ({ metadata: { namespace: inNamespace = "", name = "" } }: KubeObject): string => `${inNamespace}/${name}`;
  return [...objects]
    .filter(
      ({ metadata }) =>
        (namespace === undefined || metadata.namespace === namespace) &&
        matchesRequirements(labelSelector, metadata.labels ?? {}) &&
        fieldSelector.every(({ path, equal, value }) => {
          if (path !== "metadata.name" && path !== "metadata.namespace") throw badRequest(`field label not supported: ${path}`);
          return (path === "metadata.name" ? metadata.name : metadata.namespace) === value ? equal : !equal;
        }),
    )
    .sort((one, other) => (place(one) < place(other) ? -1 : 1));
}
