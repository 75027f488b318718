import { type FieldError, forbiddenField, invalid, notFoundField, notSupported, required } from "#lib/apiserver/field-error.ts";
import { parseQuantity } from "#lib/kube/quantity.ts";
import { checkLabelName, checkLabels, checkPortName, checkPortNumber, checkUnique, same } from "../rules.ts";
import type { FullContainer, FullPod, FullPodSpec } from "./types.ts";
import { volumeSources } from "./volume.ts";

/** Rules for a pod's spec; `path` is `spec`, or `spec.template.spec` in a template. */
export function checkPodSpec(path: string, spec: FullPodSpec): FieldError[] {
  const { volumes = [], initContainers = [], containers = [] } = spec;
  const names = new Set(volumes.map(({ name }) => name));
  const group = (list: readonly FullContainer[], field: string): FieldError[] =>
    list.flatMap((container, index) =>
      checkContainer(`${path}.${field}[${index}]`, container, { names, hostNetwork: spec.hostNetwork === true }),
    );
  return [
    ...(containers.length === 0 ? [required(`${path}.containers`)] : []),
    ...volumes.flatMap((volume, index) => checkVolume(`${path}.volumes[${index}]`, volume)),
    ...checkUnique(volumes, ({ name }, index) => ({ path: `${path}.volumes[${index}].name`, value: name })),
    ...group(initContainers, "initContainers"),
    ...group(containers, "containers"),
    ...checkUnique([...initContainers, ...containers], ({ name }, index) => ({
      path:
        index < initContainers.length
          ? `${path}.initContainers[${index}].name`
          : `${path}.containers[${index - initContainers.length}].name`,
      value: name,
    })),
    ...checkLabels(`${path}.nodeSelector`, spec.nodeSelector),
    ...((spec.terminationGracePeriodSeconds ?? 0) < 0
      ? [invalid(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds, "must be greater than or equal to 0")]
      : []),
  ];
}

function checkVolume(path: string, volume: { readonly name: string; readonly [source: string]: unknown }): FieldError[] {
  const given = volumeSources.filter((source) => volume[source] != null);
  const extra = given.slice(1).map((source) => forbiddenField(`${path}.${source}`, "may not specify more than 1 volume type"));
  return [...checkLabelName(`${path}.name`, volume.name), ...extra];
}

interface Around {
  readonly names: ReadonlySet<string>;
  readonly hostNetwork: boolean;
}

const pullPolicies = ["Always", "IfNotPresent", "Never"];

function checkContainer(path: string, container: FullContainer, { names, hostNetwork }: Around): FieldError[] {
  const { ports = [], env = [], volumeMounts = [], resources } = container;
  return [
    ...checkLabelName(`${path}.name`, container.name),
    ...(container.image?.trim() ? [] : [required(`${path}.image`)]),
    ...(pullPolicies.includes(container.imagePullPolicy ?? "Always")
      ? []
      : [notSupported(`${path}.imagePullPolicy`, container.imagePullPolicy, pullPolicies)]),
    ...ports.flatMap(({ name, containerPort, hostPort }, index) => {
      const at = `${path}.ports[${index}]`;
      return [
        ...(name === undefined ? [] : checkPortName(`${at}.name`, name)),
        ...checkPortNumber(`${at}.containerPort`, containerPort),
        ...(hostPort === undefined || hostPort === 0 ? [] : checkPortNumber(`${at}.hostPort`, hostPort)),
        ...(hostNetwork && hostPort !== undefined && hostPort !== containerPort
          ? [invalid(`${at}.hostPort`, hostPort, "must match `containerPort` when `hostNetwork` is true")]
          : []),
      ];
    }),
    ...checkUnique(ports, ({ name }, index) => ({ path: `${path}.ports[${index}].name`, value: name })),
    ...env.flatMap(({ name, value, valueFrom }, index) => [
      ...(name ? [] : [required(`${path}.env[${index}].name`)]),
      ...(value && valueFrom ? [invalid(`${path}.env[${index}].valueFrom`, "", "may not be specified when `value` is not empty")] : []),
    ]),
    ...volumeMounts.flatMap(({ name, mountPath }, index) => [
      ...(names.has(name) ? [] : [notFoundField(`${path}.volumeMounts[${index}].name`, name)]),
      ...(mountPath ? [] : [required(`${path}.volumeMounts[${index}].mountPath`)]),
    ]),
    ...checkUnique(volumeMounts, ({ mountPath }, index) => ({ path: `${path}.volumeMounts[${index}].mountPath`, value: mountPath })),
    ...checkResources(`${path}.resources`, resources),
    ...(["readinessProbe", "livenessProbe", "startupProbe"] as const).flatMap((probe) => checkProbe(`${path}.${probe}`, container[probe])),
  ];
}

function checkProbe(path: string, probe: FullContainer["readinessProbe"]): FieldError[] {
  if (probe === undefined) return [];
  const given = ["exec", "httpGet", "tcpSocket", "grpc"].filter((action) => (probe as Readonly<Record<string, unknown>>)[action] != null);
  if (given.length === 0) return [required(path, "must specify a handler type")];
  return given.slice(1).map((action) => forbiddenField(`${path}.${action}`, "may not specify more than 1 handler type"));
}

function checkResources(path: string, resources: FullContainer["resources"]): FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const malformed = (field: string, amounts: Readonly<Record<string, string>>): FieldError[] =>
    Object.entries(amounts).flatMap(([name, text]) => {
      const amount = parseQuantity(text);
      return amount === undefined || amount < 0
        ? [invalid(`${path}.${field}[${name}]`, text, "must be a quantity greater than or equal to 0, such as 100m or 64Mi")]
        : [];
    });
  const above = Object.entries(requests).flatMap(([name, text]) => {
    const limit = limits[name] === undefined ? undefined : parseQuantity(limits[name]);
    return limit !== undefined && (parseQuantity(text) ?? 0) > limit
      ? [invalid(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limits[name]}`)]
      : [];
  });
  return [...malformed("limits", limits), ...malformed("requests", requests), ...above];
}

const mutable =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** What may change of a pod once it is there: images, the deadline, further tolerations; `nodeName` only by the binding subresource. */
export function checkPodUpdate(pod: FullPod, old: FullPod, subresource: string): FieldError[] {
  if (subresource === "binding" || subresource === "status") return [];
  const frozen = (spec: FullPodSpec): FullPodSpec => {
    const { tolerations: _tolerations, activeDeadlineSeconds: _deadline, schedulingGates: _gates, ...rest } = spec;
    const withoutImage = (list: readonly FullContainer[]): FullContainer[] => list.map(({ image: _image, ...container }) => container);
    return { ...rest, containers: withoutImage(spec.containers), initContainers: withoutImage(spec.initContainers ?? []) };
  };
  if (!same(frozen(pod.spec), frozen(old.spec))) return [forbiddenField("spec", mutable)];
  const kept = (old.spec.tolerations ?? []).every((toleration) => (pod.spec.tolerations ?? []).some((other) => same(other, toleration)));
  return kept ? [] : [forbiddenField("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")];
}
