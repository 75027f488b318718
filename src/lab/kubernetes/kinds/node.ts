import { boolean, int32, int64, list, listBy, map, opaque, part, set, string, use } from "#lib/apiserver/openapi/build.ts";
import { quantity, time } from "#lib/apiserver/openapi/meta.ts";
import { invalid } from "#lib/apiserver/field-error.ts";
import { ageColumn, nameColumn } from "#lib/apiserver/printing/columns.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import { type Node, nodes } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import { kind } from "./kind.ts";
import { checkUnchanged } from "./rules.ts";

const core = "io.k8s.api.core.v1";

/** `v1.Taint`. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
  readonly timeAdded?: string;
}

/** A node with the fields that scheduler, node controller and printer read beside those of every client. */
export interface FullNode extends Node {
  readonly spec?: Omit<NonNullable<Node["spec"]>, "taints"> & { readonly taints?: readonly Taint[] };
  readonly status?: NonNullable<Node["status"]> & { readonly nodeInfo?: Readonly<Record<string, string>> };
}

export const fullNodes = nodes as Resource<FullNode>;

const taint = part(
  `${core}.Taint`,
  "Keeps away pods that do not tolerate it.",
  {
    key: string("Name of the taint."),
    value: string("Value of the taint."),
    effect: string("NoSchedule, PreferNoSchedule or NoExecute."),
    timeAdded: use(time, "When it was set; for NoExecute."),
  },
  ["key", "effect"],
);

const condition = part(
  `${core}.NodeCondition`,
  "One aspect of the node's state.",
  {
    type: string("Ready, MemoryPressure, DiskPressure, PIDPressure, NetworkUnavailable."),
    status: string("True, False or Unknown."),
    lastHeartbeatTime: use(time, "When the kubelet last said so."),
    lastTransitionTime: use(time, "When status last changed."),
    reason: string("One word that says why."),
    message: string("Text for people."),
  },
  ["type", "status"],
);

const address = part(
  `${core}.NodeAddress`,
  "An address of the node.",
  { type: string("InternalIP, ExternalIP, Hostname, …"), address: string("The address.") },
  ["type", "address"],
);

const infoFields = [
  "machineID",
  "systemUUID",
  "bootID",
  "kernelVersion",
  "osImage",
  "containerRuntimeVersion",
  "kubeletVersion",
  "kubeProxyVersion",
  "operatingSystem",
  "architecture",
];

export const nodeDefinition = kind<FullNode>({
  resource: fullNodes,
  package: core,
  description: "A machine that runs pods.",
  fields: {
    spec: part(`${core}.NodeSpec`, "What the node shall be.", {
      podCIDR: string("Address block of the node's pods."),
      podCIDRs: set(string("A prefix."), "Address blocks of the node's pods, one per family."),
      providerID: string("Identity at a cloud provider."),
      unschedulable: boolean("No new pods."),
      taints: list(taint, "What keeps pods away."),
      configSource: opaque("No longer used."),
      externalID: string("No longer used."),
    }),
    status: part(`${core}.NodeStatus`, "What the node is.", {
      capacity: map(quantity, "All there is."),
      allocatable: map(quantity, "What pods may use."),
      phase: string("No longer used."),
      conditions: listBy("type", condition, "Aspects of the state."),
      addresses: { ...listBy("type", address, "Addresses of the node."), "x-kubernetes-list-map-keys": ["type", "address"] },
      daemonEndpoints: part(`${core}.NodeDaemonEndpoints`, "Ports of daemons.", {
        kubeletEndpoint: part(`${core}.DaemonEndpoint`, "A port.", { Port: int32("Number of the port.") }, ["Port"]),
      }),
      nodeInfo: part(
        `${core}.NodeSystemInfo`,
        "Versions and identities.",
        Object.fromEntries(infoFields.map((field) => [field, string("As the node reports it.")])),
      ),
      images: list(
        part(`${core}.ContainerImage`, "An image on the node.", { names: list(string("A name."), "Names."), sizeBytes: int64("Size.") }),
        "Images on the node.",
      ),
      volumesInUse: list(string("A volume."), "Not there in this lab."),
      volumesAttached: list(opaque("A volume."), "Not there in this lab."),
      runtimeHandlers: list(opaque("A handler."), "Not there in this lab."),
      features: opaque("Not there in this lab."),
      config: opaque("No longer used."),
    }),
  },
  shortNames: ["no"],
  subresources: { status: true },
  selectableFields: { "spec.unschedulable": ({ spec }) => String(spec?.unschedulable === true) },
  columns: nodeColumns(),
  validate(node, _context, old) {
    const given: readonly Taint[] = node.spec?.taints ?? [];
    const taints = given.flatMap(({ effect }, index) =>
      ["NoSchedule", "PreferNoSchedule", "NoExecute"].includes(effect)
        ? []
        : [invalid(`spec.taints[${index}].effect`, effect, "unknown effect")],
    );
    const assigned = old?.spec?.podCIDRs ?? [];
    return [...taints, ...(assigned.length > 0 ? checkUnchanged("spec.podCIDRs", node.spec?.podCIDRs, assigned) : [])];
  },
});

function nodeColumns(): readonly PrinterColumn<FullNode>[] {
  const text = (name: string, value: (node: FullNode) => string): PrinterColumn<FullNode> => ({ name, type: "string", value });
  const wide = (name: string, value: (node: FullNode) => string): PrinterColumn<FullNode> => ({ name, type: "string", priority: 1, value });
  const addressOf = (type: string) => (node: FullNode) => node.status?.addresses?.find((one) => one.type === type)?.address ?? "<none>";
  const info = (field: string) => (node: FullNode) => node.status?.nodeInfo?.[field] || "<unknown>";
  return [
    nameColumn,
    text("Status", statusOf),
    text("Roles", rolesOf),
    ageColumn,
    text("Version", (node) => node.status?.nodeInfo?.kubeletVersion ?? ""),
    wide("Internal-IP", addressOf("InternalIP")),
    wide("External-IP", addressOf("ExternalIP")),
    wide("OS-Image", info("osImage")),
    wide("Kernel-Version", info("kernelVersion")),
    wide("Container-Runtime", info("containerRuntimeVersion")),
  ];
}

function statusOf({ spec, status }: FullNode): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const word = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

function rolesOf({ metadata }: FullNode): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(metadata.labels ?? {}).flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
  return (
    roles
      .filter((role) => role !== "")
      .sort()
      .join(",") || "<none>"
  );
}
