import { boolean, list, listBy } from "#lib/apiserver/openapi/build.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type ServiceAccount, serviceAccounts } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";
import { localObjectReference, objectReference } from "./references.ts";

export const serviceAccountDefinition = kind<ServiceAccount>({
  resource: serviceAccounts,
  package: "io.k8s.api.core.v1",
  description: "Whom a pod acts as.",
  fields: {
    secrets: listBy("name", objectReference, "Secrets that pods of this account may use."),
    imagePullSecrets: list(localObjectReference, "Not used: this lab has no registry."),
    automountServiceAccountToken: boolean("False: pods get no token unless they ask for it."),
  },
  shortNames: ["sa"],
  columns: [
    nameColumn,
    { name: "Secrets", type: "string", description: "Number of secrets.", value: ({ secrets = [] }) => secrets.length },
    ageColumn,
  ],
});
