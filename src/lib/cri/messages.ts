import { bool, bytes, enumeration, int32, int64, list, message, nested, repeated, string, stringMap, uint32, uint64 } from "./message.ts";

// The part of the Container Runtime Interface (runtime.v1, k8s.io/cri-api) that a kubelet for Linux pods needs. Field numbers are the
// published ones; fields that are left out are skipped on reading.

export const namespaceModes = ["POD", "CONTAINER", "NODE", "TARGET"] as const;
export const sandboxStates = ["SANDBOX_READY", "SANDBOX_NOTREADY"] as const;
export const containerStates = ["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED", "CONTAINER_UNKNOWN"] as const;

export const VersionRequest = message("VersionRequest", { version: string(1) });
export const VersionResponse = message("VersionResponse", {
  version: string(1),
  runtimeName: string(2),
  runtimeVersion: string(3),
  runtimeApiVersion: string(4),
});

export const DnsConfig = message("DNSConfig", { servers: list(string(1)), searches: list(string(2)), options: list(string(3)) });
export const PortMapping = message("PortMapping", {
  protocol: enumeration(1, ["TCP", "UDP", "SCTP"]),
  containerPort: int32(2),
  hostPort: int32(3),
  hostIp: string(4),
});
export const Mount = message("Mount", {
  containerPath: string(1),
  hostPath: string(2),
  readonly: bool(3),
  selinuxRelabel: bool(4),
  propagation: enumeration(5, ["PROPAGATION_PRIVATE", "PROPAGATION_HOST_TO_CONTAINER", "PROPAGATION_BIDIRECTIONAL"]),
});
export const NamespaceOption = message("NamespaceOption", {
  network: enumeration(1, namespaceModes),
  pid: enumeration(2, namespaceModes),
  ipc: enumeration(3, namespaceModes),
  targetId: string(4),
});
export const Int64Value = message("Int64Value", { value: int64(1) });
export const SecurityProfile = message("SecurityProfile", {
  profileType: enumeration(1, ["RuntimeDefault", "Unconfined", "Localhost"]),
  localhostRef: string(2),
});
export const LinuxContainerResources = message("LinuxContainerResources", {
  cpuPeriod: int64(1),
  cpuQuota: int64(2),
  cpuShares: int64(3),
  memoryLimitInBytes: int64(4),
  oomScoreAdj: int64(5),
  cpusetCpus: string(6),
  cpusetMems: string(7),
  unified: stringMap(9),
  memorySwapLimitInBytes: int64(10),
});

export const LinuxSandboxSecurityContext = message("LinuxSandboxSecurityContext", {
  namespaceOptions: nested(1, NamespaceOption),
  runAsUser: nested(3, Int64Value),
  readonlyRootfs: bool(4),
  supplementalGroups: list(int64(5)),
  privileged: bool(6),
  runAsGroup: nested(8, Int64Value),
  seccomp: nested(9, SecurityProfile),
  apparmor: nested(10, SecurityProfile),
});
export const LinuxPodSandboxConfig = message("LinuxPodSandboxConfig", {
  cgroupParent: string(1),
  securityContext: nested(2, LinuxSandboxSecurityContext),
  sysctls: stringMap(3),
});
export const PodSandboxMetadata = message("PodSandboxMetadata", {
  name: string(1),
  uid: string(2),
  namespace: string(3),
  attempt: uint32(4),
});
export const PodSandboxConfig = message("PodSandboxConfig", {
  metadata: nested(1, PodSandboxMetadata),
  hostname: string(2),
  logDirectory: string(3),
  dnsConfig: nested(4, DnsConfig),
  portMappings: repeated(5, PortMapping),
  labels: stringMap(6),
  annotations: stringMap(7),
  linux: nested(8, LinuxPodSandboxConfig),
});

export const RunPodSandboxRequest = message("RunPodSandboxRequest", { config: nested(1, PodSandboxConfig), runtimeHandler: string(2) });
export const RunPodSandboxResponse = message("RunPodSandboxResponse", { podSandboxId: string(1) });
export const PodSandboxIdRequest = message("PodSandboxIdRequest", { podSandboxId: string(1) });
export const Empty = message("Empty", {});

export const PodIp = message("PodIP", { ip: string(1) });
export const PodSandboxNetworkStatus = message("PodSandboxNetworkStatus", { ip: string(1), additionalIps: repeated(2, PodIp) });
export const SandboxNamespace = message("Namespace", { options: nested(2, NamespaceOption) });
export const LinuxPodSandboxStatus = message("LinuxPodSandboxStatus", { namespaces: nested(1, SandboxNamespace) });
export const PodSandboxStatus = message("PodSandboxStatus", {
  id: string(1),
  metadata: nested(2, PodSandboxMetadata),
  state: enumeration(3, sandboxStates),
  createdAt: int64(4),
  network: nested(5, PodSandboxNetworkStatus),
  linux: nested(6, LinuxPodSandboxStatus),
  labels: stringMap(7),
  annotations: stringMap(8),
  runtimeHandler: string(9),
});
export const PodSandboxStatusRequest = message("PodSandboxStatusRequest", { podSandboxId: string(1), verbose: bool(2) });
export const PodSandboxStatusResponse = message("PodSandboxStatusResponse", { status: nested(1, PodSandboxStatus), info: stringMap(2) });

export const PodSandboxStateValue = message("PodSandboxStateValue", { state: enumeration(1, sandboxStates) });
export const PodSandboxFilter = message("PodSandboxFilter", {
  id: string(1),
  state: nested(2, PodSandboxStateValue),
  labelSelector: stringMap(3),
});
export const ListPodSandboxRequest = message("ListPodSandboxRequest", { filter: nested(1, PodSandboxFilter) });
export const PodSandbox = message("PodSandbox", {
  id: string(1),
  metadata: nested(2, PodSandboxMetadata),
  state: enumeration(3, sandboxStates),
  createdAt: int64(4),
  labels: stringMap(5),
  annotations: stringMap(6),
  runtimeHandler: string(7),
});
export const ListPodSandboxResponse = message("ListPodSandboxResponse", { items: repeated(1, PodSandbox) });

export const ImageSpec = message("ImageSpec", { image: string(1), annotations: stringMap(2) });
export const KeyValue = message("KeyValue", { key: string(1), value: string(2) });
export const Capability = message("Capability", {
  addCapabilities: list(string(1)),
  dropCapabilities: list(string(2)),
  addAmbientCapabilities: list(string(3)),
});
export const LinuxContainerSecurityContext = message("LinuxContainerSecurityContext", {
  capabilities: nested(1, Capability),
  privileged: bool(2),
  namespaceOptions: nested(3, NamespaceOption),
  runAsUser: nested(5, Int64Value),
  runAsUsername: string(6),
  readonlyRootfs: bool(7),
  supplementalGroups: list(int64(8)),
  noNewPrivs: bool(11),
  runAsGroup: nested(12, Int64Value),
  maskedPaths: list(string(13)),
  readonlyPaths: list(string(14)),
  seccomp: nested(15, SecurityProfile),
  apparmor: nested(16, SecurityProfile),
});
export const LinuxContainerConfig = message("LinuxContainerConfig", {
  resources: nested(1, LinuxContainerResources),
  securityContext: nested(2, LinuxContainerSecurityContext),
});
export const ContainerMetadata = message("ContainerMetadata", { name: string(1), attempt: uint32(2) });
export const Device = message("Device", { containerPath: string(1), hostPath: string(2), permissions: string(3) });
export const ContainerConfig = message("ContainerConfig", {
  metadata: nested(1, ContainerMetadata),
  image: nested(2, ImageSpec),
  command: list(string(3)),
  args: list(string(4)),
  workingDir: string(5),
  envs: repeated(6, KeyValue),
  mounts: repeated(7, Mount),
  devices: repeated(8, Device),
  labels: stringMap(9),
  annotations: stringMap(10),
  logPath: string(11),
  stdin: bool(12),
  stdinOnce: bool(13),
  tty: bool(14),
  linux: nested(15, LinuxContainerConfig),
});

export const CreateContainerRequest = message("CreateContainerRequest", {
  podSandboxId: string(1),
  config: nested(2, ContainerConfig),
  sandboxConfig: nested(3, PodSandboxConfig),
});
export const CreateContainerResponse = message("CreateContainerResponse", { containerId: string(1) });
export const ContainerIdRequest = message("ContainerIdRequest", { containerId: string(1) });
export const StopContainerRequest = message("StopContainerRequest", { containerId: string(1), timeout: int64(2) });

export const ContainerStateValue = message("ContainerStateValue", { state: enumeration(1, containerStates) });
export const ContainerFilter = message("ContainerFilter", {
  id: string(1),
  state: nested(2, ContainerStateValue),
  podSandboxId: string(3),
  labelSelector: stringMap(4),
});
export const ListContainersRequest = message("ListContainersRequest", { filter: nested(1, ContainerFilter) });
export const Container = message("Container", {
  id: string(1),
  podSandboxId: string(2),
  metadata: nested(3, ContainerMetadata),
  image: nested(4, ImageSpec),
  imageRef: string(5),
  state: enumeration(6, containerStates),
  createdAt: int64(7),
  labels: stringMap(8),
  annotations: stringMap(9),
});
export const ListContainersResponse = message("ListContainersResponse", { containers: repeated(1, Container) });

export const ContainerStatusRequest = message("ContainerStatusRequest", { containerId: string(1), verbose: bool(2) });
export const ContainerStatus = message("ContainerStatus", {
  id: string(1),
  metadata: nested(2, ContainerMetadata),
  state: enumeration(3, containerStates),
  createdAt: int64(4),
  startedAt: int64(5),
  finishedAt: int64(6),
  exitCode: int32(7),
  image: nested(8, ImageSpec),
  imageRef: string(9),
  reason: string(10),
  message: string(11),
  labels: stringMap(12),
  annotations: stringMap(13),
  mounts: repeated(14, Mount),
  logPath: string(15),
});
export const ContainerStatusResponse = message("ContainerStatusResponse", { status: nested(1, ContainerStatus), info: stringMap(2) });

const UInt64Value = message("UInt64Value", { value: int64(1) });
export const ContainerAttributes = message("ContainerAttributes", {
  id: string(1),
  metadata: nested(2, ContainerMetadata),
  labels: stringMap(3),
  annotations: stringMap(4),
});
export const ContainerStats = message("ContainerStats", {
  attributes: nested(1, ContainerAttributes),
  cpu: nested(2, message("CpuUsage", { timestamp: int64(1), usageCoreNanoSeconds: nested(2, UInt64Value) })),
  memory: nested(3, message("MemoryUsage", { timestamp: int64(1), workingSetBytes: nested(2, UInt64Value) })),
});
export const ListContainerStatsRequest = message("ListContainerStatsRequest", {});
export const ListContainerStatsResponse = message("ListContainerStatsResponse", { stats: repeated(1, ContainerStats) });

export const ExecSyncRequest = message("ExecSyncRequest", { containerId: string(1), cmd: list(string(2)), timeout: int64(3) });
export const ExecSyncResponse = message("ExecSyncResponse", { stdout: bytes(1), stderr: bytes(2), exitCode: int32(3) });
export const ExecRequest = message("ExecRequest", {
  containerId: string(1),
  cmd: list(string(2)),
  tty: bool(3),
  stdin: bool(4),
  stdout: bool(5),
  stderr: bool(6),
});
export const AttachRequest = message("AttachRequest", {
  containerId: string(1),
  stdin: bool(2),
  tty: bool(3),
  stdout: bool(4),
  stderr: bool(5),
});
export const PortForwardRequest = message("PortForwardRequest", { podSandboxId: string(1), port: list(int32(2)) });
/** Where the runtime's streaming server waits for the connection of an exec, attach or port-forward. */
export const StreamingResponse = message("StreamingResponse", { url: string(1) });

export const Image = message("Image", {
  id: string(1),
  repoTags: list(string(2)),
  repoDigests: list(string(3)),
  size: uint64(4),
  uid: nested(5, Int64Value),
  username: string(6),
});
export const ImageFilter = message("ImageFilter", { image: nested(1, ImageSpec) });
export const ListImagesRequest = message("ListImagesRequest", { filter: nested(1, ImageFilter) });
export const ListImagesResponse = message("ListImagesResponse", { images: repeated(1, Image) });
export const ImageStatusRequest = message("ImageStatusRequest", { image: nested(1, ImageSpec), verbose: bool(2) });
export const ImageStatusResponse = message("ImageStatusResponse", { image: nested(1, Image), info: stringMap(2) });
export const PullImageRequest = message("PullImageRequest", { image: nested(1, ImageSpec) });
export const PullImageResponse = message("PullImageResponse", { imageRef: string(1) });
export const RemoveImageRequest = message("RemoveImageRequest", { image: nested(1, ImageSpec) });

export const RuntimeCondition = message("RuntimeCondition", { type: string(1), status: bool(2), reason: string(3), message: string(4) });
export const RuntimeStatus = message("RuntimeStatus", { conditions: repeated(1, RuntimeCondition) });
export const StatusRequest = message("StatusRequest", { verbose: bool(1) });
export const StatusResponse = message("StatusResponse", { status: nested(1, RuntimeStatus), info: stringMap(2) });
