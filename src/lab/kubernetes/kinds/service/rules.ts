import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import type { HookContext } from "#lib/apiserver/resource.ts";
import {
  checkLabelName,
  checkLabels,
  checkPortName,
  checkPortNumber,
  checkProtocol,
  checkSubdomain,
  checkUnchanged,
  checkUnique,
  same,
} from "../rules.ts";
import type { FullService, FullServiceSpec } from "./types.ts";

const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const policies = ["Cluster", "Local"];

export function checkService({ spec = {} }: FullService, _context: HookContext, old?: FullService): FieldError[] {
  const { type = "", sessionAffinity, ports = [] } = spec;
  return [
    ...(types.includes(type) ? [] : [notSupported("spec.type", type, types)]),
    ...(["ClientIP", "None"].includes(sessionAffinity ?? "None")
      ? []
      : [notSupported("spec.sessionAffinity", sessionAffinity, ["ClientIP", "None"])]),
    ...checkPolicies(spec),
    ...checkLabels("spec.selector", spec.selector),
    ...(type === "ExternalName" ? checkSubdomain("spec.externalName", spec.externalName?.replace(/\.$/, "")) : []),
    ...(type !== "ExternalName" && spec.clusterIP !== "None" && ports.length === 0 ? [required("spec.ports")] : []),
    ...(spec.clusterIP === "None" && (type === "NodePort" || type === "LoadBalancer")
      ? [invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`)]
      : []),
    ...checkPorts(spec),
    ...(old === undefined ? [] : checkAddressChange(spec, old.spec ?? {})),
  ];
}

function checkPolicies({ type, internalTrafficPolicy, externalTrafficPolicy }: FullServiceSpec): FieldError[] {
  const internal = internalTrafficPolicy === undefined || policies.includes(internalTrafficPolicy);
  const external = externalTrafficPolicy === undefined || policies.includes(externalTrafficPolicy);
  const misplaced = externalTrafficPolicy !== undefined && type === "ClusterIP";
  return [
    ...(internal ? [] : [notSupported("spec.internalTrafficPolicy", internalTrafficPolicy, policies)]),
    ...(external ? [] : [notSupported("spec.externalTrafficPolicy", externalTrafficPolicy, policies)]),
    ...(misplaced
      ? [invalid("spec.externalTrafficPolicy", externalTrafficPolicy, "may only be set for externally-accessible services")]
      : []),
  ];
}

function checkPorts({ ports = [], clusterIP }: FullServiceSpec): FieldError[] {
  const each = ports.flatMap(({ name, port, protocol, targetPort }, index) => {
    const path = `spec.ports[${index}]`;
    const nameErrors = name ? checkLabelName(`${path}.name`, name) : ports.length > 1 ? [required(`${path}.name`)] : [];
    const target =
      typeof targetPort === "string" ? checkPortName(`${path}.targetPort`, targetPort) : checkPortNumber(`${path}.targetPort`, targetPort);
    const headless = clusterIP === "None" && targetPort === undefined;
    return [
      ...nameErrors,
      ...checkPortNumber(`${path}.port`, port),
      ...checkProtocol(`${path}.protocol`, protocol),
      ...(headless ? [] : target),
    ];
  });
  const names = checkUnique(ports, ({ name }, index) => ({ path: `spec.ports[${index}].name`, value: name }));
  const keys = ports.map(({ port, protocol }) => `${port}/${protocol}`);
  const repeated = ports.flatMap(({ port, protocol }, index) =>
    keys.indexOf(`${port}/${protocol}`) < index ? [duplicate(`spec.ports[${index}]`, { protocol, port })] : [],
  );
  return [...each, ...names, ...repeated];
}

/** Addresses stay while the service keeps having any; a second family may come and go. */
function checkAddressChange(spec: FullServiceSpec, old: FullServiceSpec): FieldError[] {
  if (spec.type === "ExternalName" || old.type === "ExternalName" || old.clusterIP === undefined) return [];
  const first = checkUnchanged("spec.clusterIPs[0]", spec.clusterIPs?.[0], old.clusterIPs?.[0]).map(() =>
    invalid("spec.clusterIPs[0]", spec.clusterIPs?.[0], "may not change once set"),
  );
  const mismatch =
    spec.clusterIP === spec.clusterIPs?.[0] ? [] : [invalid("spec.clusterIP", spec.clusterIP, "must equal spec.clusterIPs[0]")];
  const primary = same(spec.ipFamilies?.[0], old.ipFamilies?.[0])
    ? []
    : [forbiddenField("spec.ipFamilies[0]", "the primary family may not change once set")];
  return [...first, ...mismatch, ...primary];
}
