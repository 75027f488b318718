import { boolean, int32, int64, list, listBy, map, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { intOrString, quantity } from "#lib/apiserver/openapi/meta.ts";
import type { JsonSchema } from "#lib/apiserver/openapi/schema.ts";
import { fieldReference, volumeMount } from "./volume.ts";

const core = "io.k8s.api.core.v1";

const containerPort = part(
  `${core}.ContainerPort`,
  "A port that the container listens on. Informative, and what named ports resolve to.",
  {
    name: string("Name that services, probes and policies may use."),
    containerPort: int32("Number of the port."),
    protocol: string("TCP, UDP or SCTP.", { default: "TCP", enum: ["TCP", "UDP", "SCTP"] }),
    hostPort: int32("Port of the node."),
    hostIP: string("Address of the node that hostPort is bound to."),
  },
  ["containerPort"],
);

const keySelector = (owner: string): JsonSchema =>
  part(
    `${core}.${owner}KeySelector`,
    `A key of a ${owner}.`,
    { name: string(`Name of the ${owner}.`), key: string("The key."), optional: boolean("The key may be missing.") },
    ["key"],
  );

const envVar = part(
  `${core}.EnvVar`,
  "A variable of the container's environment.",
  {
    name: string("Name of the variable."),
    value: string("Its value; $(OTHER) is replaced by the value of OTHER."),
    valueFrom: part(`${core}.EnvVarSource`, "Where the value comes from.", {
      fieldRef: use(fieldReference, "A field of the pod."),
      resourceFieldRef: opaque("A limit or request of the container."),
      configMapKeyRef: keySelector("ConfigMap"),
      secretKeyRef: keySelector("Secret"),
    }),
  },
  ["name"],
);

const envFrom = part(`${core}.EnvFromSource`, "Variables from every key of an object.", {
  prefix: string("Put before each name."),
  configMapRef: part(`${core}.ConfigMapEnvSource`, "A ConfigMap.", { name: string("Its name."), optional: boolean("It may be missing.") }),
  secretRef: part(`${core}.SecretEnvSource`, "A Secret.", { name: string("Its name."), optional: boolean("It may be missing.") }),
});

const httpHeader = part(`${core}.HTTPHeader`, "A header of a request.", { name: string("Its name."), value: string("Its value.") }, [
  "name",
  "value",
]);

const exec = part(`${core}.ExecAction`, "Runs a command in the container; 0 is success.", {
  command: list(string("An argument."), "Command and arguments; no shell."),
});

const httpGet = part(
  `${core}.HTTPGetAction`,
  "Sends a GET request; 200 to 399 is success.",
  {
    path: string("Path of the request.", { default: "/" }),
    port: use(intOrString, "Number or name of the port."),
    host: string("Address to connect to; the pod's own by default."),
    scheme: string("HTTP or HTTPS.", { default: "HTTP" }),
    httpHeaders: list(httpHeader, "Headers of the request."),
  },
  ["port"],
);

const tcpSocket = part(
  `${core}.TCPSocketAction`,
  "Opens a connection.",
  { port: use(intOrString, "Number or name of the port."), host: string("Address to connect to; the pod's own by default.") },
  ["port"],
);

const probe = part(`${core}.Probe`, "A check that the kubelet repeats.", {
  exec,
  httpGet,
  tcpSocket,
  grpc: opaque("Not there in this lab."),
  initialDelaySeconds: int32("Wait this long after the start."),
  periodSeconds: int32("Time between checks.", { default: 10 }),
  timeoutSeconds: int32("Longest wait for an answer.", { default: 1 }),
  successThreshold: int32("Successes in a row that count as success.", { default: 1 }),
  failureThreshold: int32("Failures in a row that count as failure.", { default: 3 }),
  terminationGracePeriodSeconds: int64("Overrides the pod's when this check fails."),
});

export const resources = part(`${core}.ResourceRequirements`, "What the container needs and may use.", {
  limits: map(quantity, "Most of each resource."),
  requests: map(quantity, "Least of each resource; limits when absent."),
  claims: list(opaque("A claim."), "Not there in this lab."),
});

const capabilities = part(`${core}.Capabilities`, "Linux capabilities.", {
  add: list(string("A capability."), "To add."),
  drop: list(string("A capability."), "To take away."),
});

const securityContext = part(`${core}.SecurityContext`, "Rights of the container's processes.", {
  privileged: boolean("All rights on the node."),
  capabilities,
  runAsUser: int64("User of the first process."),
  runAsGroup: int64("Group of the first process."),
  runAsNonRoot: boolean("Refuse to run as root."),
  readOnlyRootFilesystem: boolean("Refuse writes to the image's files."),
  allowPrivilegeEscalation: boolean("A process may gain more rights than its parent."),
  procMount: string("How /proc is mounted."),
  seLinuxOptions: opaque("SELinux labels."),
  seccompProfile: opaque("Filter of system calls."),
  appArmorProfile: opaque("AppArmor profile."),
  windowsOptions: opaque("For Windows only."),
});

const action = part(`${core}.LifecycleHandler`, "What to do.", { exec, httpGet, tcpSocket, sleep: opaque("Waits.") });

const lifecycle = part(`${core}.Lifecycle`, "What runs at the ends of a container's life.", {
  postStart: use(action, "Right after the start."),
  preStop: use(action, "Before the container is asked to stop."),
  stopSignal: string("Signal that asks it to stop."),
});

const fields: Record<string, JsonSchema> = {
  name: string("Name within the pod. Cannot change."),
  image: string("Image to run."),
  command: list(string("An argument."), "Replaces the image's entry point."),
  args: list(string("An argument."), "Replaces the image's command."),
  workingDir: string("Folder the command starts in."),
  ports: listBy("containerPort", containerPort, "Ports the container listens on.", ["containerPort", "protocol"]),
  envFrom: list(envFrom, "Variables from whole objects."),
  env: listBy("name", envVar, "Variables of the environment."),
  resources: use(resources, "What the container needs and may use.", { default: {} }),
  resizePolicy: list(opaque("A policy."), "Not there in this lab."),
  restartPolicy: string("Always makes an init container run beside the others."),
  volumeMounts: listBy("mountPath", volumeMount, "Where the container sees volumes."),
  volumeDevices: listBy("devicePath", opaque("A device."), "Not there in this lab."),
  livenessProbe: use(probe, "The container is restarted when this fails."),
  readinessProbe: use(probe, "Services send nothing while this fails."),
  startupProbe: use(probe, "Other checks wait for this one."),
  lifecycle,
  terminationMessagePath: string("File whose end becomes the message of the termination.", { default: "/dev/termination-log" }),
  terminationMessagePolicy: string("File or FallbackToLogsOnError.", { default: "File" }),
  imagePullPolicy: string("Always, Never or IfNotPresent."),
  securityContext,
  stdin: boolean("Keep standard input open."),
  stdinOnce: boolean("Close standard input after the first client."),
  tty: boolean("Give the container a terminal."),
};

export const container = part(`${core}.Container`, "One program of a pod.", fields, ["name"]);

export const ephemeralContainer = part(
  `${core}.EphemeralContainer`,
  "A program added to a running pod. Not there in this lab.",
  { ...fields, targetContainerName: string("Container whose processes it sees.") },
  ["name"],
);
