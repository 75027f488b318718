import { invalidObject } from "#lib/apiserver/errors.ts";
import { type FieldError, invalid } from "#lib/apiserver/field-error.ts";
import type { Draft, Lookup } from "#lib/apiserver/resource.ts";
import type { FullService } from "./types.ts";

/** The range of Kubernetes. */
const firstPort = 30_000;
const lastPort = 32_767;

/** Gives node ports to NodePort and LoadBalancer services and takes them from others. Throws Invalid when a port is taken or none is left. */
export function allocateNodePorts(service: Draft<FullService>, lookup: Lookup, old?: FullService): void {
  const { spec, metadata } = service;
  if (spec === undefined) return;
  const wanted = spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  if (!wanted) {
    if (spec.type !== "LoadBalancer") for (const port of spec.ports ?? []) delete port.nodePort;
    return;
  }
  const used = new Set(
    ([...lookup.list({ group: "", resource: "services" })] as readonly FullService[])
      .filter((other) => other.metadata.name !== metadata.name || other.metadata.namespace !== metadata.namespace)
      .flatMap((other) => (other.spec?.ports ?? []).map(({ nodePort, protocol }) => `${nodePort}/${protocol}`)),
  );
  for (const [index, port] of (spec.ports ?? []).entries()) {
    const field = `spec.ports[${index}].nodePort`;
    const before = old?.spec?.ports?.find((one) => one.port === port.port && one.protocol === port.protocol);
    const number = port.nodePort ?? before?.nodePort ?? freePort(used, port.protocol);
    const key = `${number}/${port.protocol}`;
    if (number === undefined) throw refusal(service, invalid(field, null, `no port is left between ${firstPort} and ${lastPort}`));
    if (number < firstPort || number > lastPort)
      throw refusal(
        service,
        invalid(field, number, `provided port is not in the valid range. The range of valid ports is ${firstPort}-${lastPort}`),
      );
    if (used.has(key)) throw refusal(service, invalid(field, number, "provided port is already allocated"));
    port.nodePort = number;
    used.add(key);
  }
}

function freePort(used: ReadonlySet<string>, protocol = "TCP"): number | undefined {
  for (let port = firstPort; port <= lastPort; port++) if (!used.has(`${port}/${protocol}`)) return port;
  return undefined;
}

function refusal({ metadata }: Draft<FullService>, error: FieldError): Error {
  return invalidObject({ group: "", kind: "Service" }, metadata.name ?? "", [error]);
}
