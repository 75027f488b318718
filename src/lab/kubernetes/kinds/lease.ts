import { int32, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { microTime } from "#lib/apiserver/openapi/meta.ts";
import { invalid } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type Lease, leases } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";

export const leaseDefinition = kind<Lease>({
  resource: leases,
  package: "io.k8s.api.coordination.v1",
  description: "Says who holds something, and until when: leaders and heartbeats of nodes.",
  fields: {
    spec: part("io.k8s.api.coordination.v1.LeaseSpec", "The hold.", {
      holderIdentity: string("Who holds it."),
      leaseDurationSeconds: int32("How long after renewTime it is held."),
      acquireTime: use(microTime, "When the holder got it."),
      renewTime: use(microTime, "When the holder last renewed it."),
      leaseTransitions: int32("How often the holder changed."),
      preferredHolder: string("Who shall hold it next."),
      strategy: string("How the next holder is chosen."),
    }),
  },
  columns: [
    nameColumn,
    { name: "Holder", type: "string", description: "Who holds it.", value: ({ spec }) => spec?.holderIdentity ?? "" },
    ageColumn,
  ],
  validate: ({ spec }) =>
    spec?.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0
      ? [invalid("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0")]
      : [],
});
