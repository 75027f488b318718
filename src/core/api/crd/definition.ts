import { antreaGroupName } from "../antrea/resources.ts";
import { fields, type Schema } from "./schema.ts";

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description: string;
  readonly format?: string;
}

export const ageColumn: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "When it was made." };

/** A kind with one version. */
export interface KindDefinition {
  /** Default crd.antrea.io. */
  readonly group?: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly namespaced: boolean;
  readonly version: string;
  readonly spec: Schema;
  /** Present: there is a `status` subresource. */
  readonly status?: Schema;
  readonly columns?: readonly Column[];
  /** Fields beside metadata that must be there. */
  readonly required?: readonly string[];
  /** Rules about the whole object. */
  readonly validations?: Schema["x-kubernetes-validations"];
  /** Where a kind of a `*.k8s.io` group was approved: Kubernetes refuses to define one otherwise. */
  readonly approval?: string;
}

/** The CustomResourceDefinition of a kind, as it is applied. */
export function customResourceDefinition(definition: KindDefinition) {
  const { kind, plural, shortNames, namespaced, version, spec, status, columns = [], required, validations, approval } = definition;
  const group = definition.group ?? antreaGroupName;
  const subresources = status === undefined ? {} : { subresources: { status: {} } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      labels: { app: "antrea" },
      ...(approval !== undefined && { annotations: { "api-approved.kubernetes.io": approval } }),
    },
    spec: {
      group,
      scope: namespaced ? "Namespaced" : "Cluster",
      names: { plural, singular: kind.toLowerCase(), kind, ...(shortNames && { shortNames }) },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(columns.length > 0 && { additionalPrinterColumns: columns }),
          schema: {
            openAPIV3Schema: fields(
              { ...(required?.includes("metadata") && { metadata: { type: "object" as const } }), spec, ...(status && { status }) },
              { ...(required && { required }), ...(validations && { "x-kubernetes-validations": validations }) },
            ),
          },
          ...subresources,
        },
      ],
    },
  };
}
