import { boolean, listBy, list, part, string } from "#lib/apiserver/openapi/build.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type ServiceAccount, serviceAccounts } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";

export const objectReference = part("io.k8s.api.core.v1.ObjectReference", "Points to an object.", {
  apiVersion: string("API version of the object."),
  kind: string("Kind of the object."),
  namespace: string("Namespace of the object."),
  name: string("Name of the object."),
  uid: string("UID of the object."),
  resourceVersion: string("Version of the object."),
  fieldPath: string("A part of the object."),
});

export const serviceAccountDefinition = kind<ServiceAccount>({
  resource: serviceAccounts,
  package: "io.k8s.api.core.v1",
  description: "Whom a pod acts as.",
  fields: {
    secrets: listBy("name", objectReference, "Secrets that pods of this account may use."),
    imagePullSecrets: list(
      part("io.k8s.api.core.v1.LocalObjectReference", "An object of the same namespace.", { name: string("Its name.") }),
      "Not used: this lab has no registry.",
    ),
    automountServiceAccountToken: boolean("False: pods get no token unless they ask for it."),
  },
  shortNames: ["sa"],
  columns: [
    nameColumn,
    { name: "Secrets", type: "string", description: "Number of secrets.", value: ({ secrets = [] }) => secrets.length },
    ageColumn,
  ],
});
