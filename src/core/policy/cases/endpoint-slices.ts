import type { EndpointSlice, Pod, Service, ServicePort } from "#lib/kube/index.ts";
import { parseAddress } from "#lib/ip/index.ts";

/** What the cluster's controller of slices makes of a Service and the pods that it selects: a slice per endpoint and family. */
export function endpointSlicesOf({ metadata, spec }: Service, pods: readonly Pod[]): EndpointSlice[] {
  const selector = Object.entries(spec?.selector ?? {});
  return pods
    .filter(
      (pod) =>
        pod.metadata.namespace === metadata.namespace &&
        pod.status?.phase === "Running" &&
        selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
    )
    .flatMap((pod) =>
      (pod.status?.podIPs ?? []).map(
        ({ ip }): EndpointSlice => ({
          metadata: { namespace: metadata.namespace ?? "", name: `${metadata.name}-${pod.metadata.name}` },
          addressType: `IPv${parseAddress(ip).family}`,
          endpoints: [{ addresses: [ip], nodeName: pod.spec.nodeName ?? "" }],
          ports: (spec?.ports ?? []).flatMap((port) => {
            const number = targetOf(port, pod);
            return number === undefined ? [] : [{ name: port.name ?? "", protocol: port.protocol ?? "TCP", port: number }];
          }),
        }),
      ),
    );
}

function targetOf({ port, targetPort = port, protocol = "TCP" }: ServicePort, { spec }: Pod): number | undefined {
  if (typeof targetPort === "number") return targetPort;
  const declared = spec.containers.flatMap(({ ports = [] }) => ports);
  return declared.find((each) => each.name === targetPort && (each.protocol ?? "TCP") === protocol)?.containerPort;
}
