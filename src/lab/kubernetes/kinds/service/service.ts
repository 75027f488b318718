import { boolean, int32, list, listBy, map, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { condition, intOrString } from "#lib/apiserver/openapi/meta.ts";
import type { Draft, ResourceDefinition } from "#lib/apiserver/resource.ts";
import type { Prefix } from "#lib/ip/prefix.ts";
import { services } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import { kind } from "../kind.ts";
import { allocateAddresses, keepAddresses } from "./addresses.ts";
import { serviceColumns } from "./columns.ts";
import { allocateNodePorts } from "./node-ports.ts";
import { checkService } from "./rules.ts";
import type { FullService, FullServiceSpec } from "./types.ts";

const core = "io.k8s.api.core.v1";

const port = part(
  `${core}.ServicePort`,
  "A port of the service.",
  {
    name: string("Name of the port; needed when there are several."),
    protocol: string("TCP, UDP or SCTP.", { default: "TCP" }),
    appProtocol: string("Protocol on top."),
    port: int32("Port that clients connect to."),
    targetPort: use(intOrString, "Number or name of the port of the pods; port by default."),
    nodePort: int32("Port of every node, for NodePort and LoadBalancer."),
  },
  ["port"],
);

const texts = (of: string, description: string) => list(string(of), description);

const spec = part(`${core}.ServiceSpec`, "What the service shall be.", {
  ports: listBy("port", port, "Ports of the service.", ["port", "protocol"]),
  selector: map(string("Value of the label."), "Pods behind the service. Absent: somebody else makes the EndpointSlices."),
  clusterIP: string("First address of the service; None for a headless one. Cannot change."),
  clusterIPs: texts("An address.", "Addresses of the service, one per family."),
  type: string("ClusterIP, NodePort, LoadBalancer or ExternalName.", { default: "ClusterIP" }),
  externalIPs: texts("An address.", "Further addresses that nodes accept."),
  sessionAffinity: string("None, or ClientIP: the same client reaches the same pod.", { default: "None" }),
  sessionAffinityConfig: opaque("How long affinity lasts."),
  loadBalancerIP: string("Wanted address of the load balancer."),
  loadBalancerSourceRanges: texts("A prefix.", "Clients of the load balancer."),
  loadBalancerClass: string("Who provides the load balancer."),
  externalName: string("DNS name, for ExternalName."),
  externalTrafficPolicy: string("Cluster, or Local: only pods of the node that a packet reached."),
  internalTrafficPolicy: string("Cluster, or Local: only pods of the client's node."),
  healthCheckNodePort: int32("Port of health checks with externalTrafficPolicy Local."),
  publishNotReadyAddresses: boolean("Pods that are not ready count too."),
  ipFamilies: texts("IPv4 or IPv6.", "Families of the service."),
  ipFamilyPolicy: string("SingleStack, PreferDualStack or RequireDualStack."),
  allocateLoadBalancerNodePorts: boolean("LoadBalancer gets node ports."),
  trafficDistribution: string("Preference among pods."),
});

const status = part(`${core}.ServiceStatus`, "What the service is.", {
  loadBalancer: part(`${core}.LoadBalancerStatus`, "State of the load balancer.", {
    ingress: list(
      part(`${core}.LoadBalancerIngress`, "A way in.", {
        ip: string("Address."),
        hostname: string("Name."),
        ipMode: string("VIP or Proxy."),
        ports: list(opaque("A port."), "State of ports."),
      }),
      "Ways in.",
    ),
  }),
  conditions: listBy("type", condition, "Aspects of the state."),
});

/** Services, with addresses from `serviceCidrs` (the first family is the cluster's first). */
export function serviceDefinition({ serviceCidrs }: { readonly serviceCidrs: readonly Prefix[] }): ResourceDefinition {
  return kind<FullService>({
    resource: services as Resource<FullService>,
    package: core,
    description: "A stable address in front of pods.",
    fields: { spec: use(spec, "What the service shall be."), status: use(status, "What the service is.") },
    shortNames: ["svc"],
    categories: ["all"],
    nameRule: "label1035",
    subresources: { status: true },
    columns: serviceColumns,
    selectableFields: { "spec.clusterIP": (service) => service.spec?.clusterIP ?? "", "spec.type": (service) => service.spec?.type ?? "" },
    defaults(service) {
      service.spec ??= {};
      defaultSpec(service.spec);
    },
    prepare: {
      create(service, context) {
        service.status = { loadBalancer: {} };
        allocateAddresses(service, context, serviceCidrs);
        allocateNodePorts(service, context);
      },
      update(service, old, context) {
        keepAddresses(service, old);
        allocateAddresses(service, context, serviceCidrs);
        allocateNodePorts(service, context, old);
      },
    },
    allocates: true,
    validate: checkService,
  });
}

/** Seconds that ClientIP affinity lasts unless the service says otherwise: three hours. */
const affinitySeconds = 10_800;

function defaultSpec(service: Draft<FullServiceSpec>): void {
  service.type ??= "ClusterIP";
  service.sessionAffinity ??= "None";
  if (service.sessionAffinity === "ClientIP") service.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: affinitySeconds } };
  else delete service.sessionAffinityConfig;
  if (service.type !== "ExternalName") service.internalTrafficPolicy ??= "Cluster";
  if (service.type === "NodePort" || service.type === "LoadBalancer") service.externalTrafficPolicy ??= "Cluster";
  if (service.type === "LoadBalancer") service.allocateLoadBalancerNodePorts ??= true;
  for (const one of service.ports ?? []) {
    one.protocol ??= "TCP";
    if (one.targetPort === undefined || one.targetPort === 0 || one.targetPort === "") one.targetPort = one.port;
  }
}
