import { boolean, bytes, int32, listBy, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { condition } from "#lib/apiserver/openapi/meta.ts";
import { forbiddenField, invalid, required } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import { type APIService, apiServices } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";

const apiPackage = "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1";

export const apiServiceDefinition = kind<APIService>({
  resource: apiServices,
  package: apiPackage,
  description: "Another server that answers for one version of an API group.",
  fields: {
    spec: part(
      `${apiPackage}.APIServiceSpec`,
      "Who answers.",
      {
        service: part(`${apiPackage}.ServiceReference`, "Service of that server; absent: this server itself.", {
          namespace: string("Namespace of the service."),
          name: string("Name of the service."),
          port: int32("Port of the service.", { default: 443 }),
        }),
        group: string("API group."),
        version: string("Version of the group."),
        caBundle: bytes("Authorities that may sign the server's certificate (PEM)."),
        insecureSkipTLSVerify: boolean("Take any certificate."),
        groupPriorityMinimum: int32("Place of the group in discovery: higher is first."),
        versionPriority: int32("Place of the version within its group: higher is first."),
      },
      ["groupPriorityMinimum", "versionPriority"],
    ),
    status: part(`${apiPackage}.APIServiceStatus`, "Whether it answers.", {
      conditions: listBy("type", use(condition, "A condition.", { required: ["type", "status"] }), "Available, or why not."),
    }),
  },
  subresources: { status: true },
  columns: [
    nameColumn,
    {
      name: "Service",
      type: "string",
      description: "Service that answers.",
      value: ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : "Local"),
    },
    { name: "Available", type: "string", description: "Whether it answers.", value: availability },
    ageColumn,
  ],
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= 443;
  },
  validate({ metadata, spec }) {
    const { group = "", version = "", service, insecureSkipTLSVerify, caBundle } = spec ?? {};
    const expected = `${version}.${group}`;
    return [
      ...(version === "" ? [required("spec.version")] : []),
      ...(metadata.name === expected
        ? []
        : [invalid("metadata.name", metadata.name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(expected)}`)]),
      ...(service && !service.namespace ? [required("spec.service.namespace")] : []),
      ...(service && !service.name ? [required("spec.service.name")] : []),
      ...(insecureSkipTLSVerify && caBundle
        ? [forbiddenField("spec.insecureSkipTLSVerify", "may not be true if caBundle is present")]
        : []),
    ];
  },
});

function availability({ spec, status }: APIService): string {
  const available = status?.conditions?.find(({ type }) => type === "Available");
  if (available === undefined) return spec?.service ? "Unknown" : "True";
  return available.status === "True" ? "True" : `${available.status} (${available.reason ?? "Unknown"})`;
}
