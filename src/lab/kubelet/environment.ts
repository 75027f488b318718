import { ContainerBlocked } from "./errors.ts";
import { type FieldSource, fieldValue } from "./field-ref.ts";
import type { KubeletContainer, KubeletEnvVar } from "./pod.ts";
import { resourceValue } from "./resource-ref.ts";

/** Reads values of ConfigMaps and Secrets of the pod's namespace; undefined when the object is not there. */
export interface ReferencedData {
  configMap(name: string): Promise<ReadonlyMap<string, Buffer> | undefined>;
  secret(name: string): Promise<ReadonlyMap<string, Buffer> | undefined>;
}

/** The container's environment in order: what it says itself takes the place of what it is told of Services (`links`). Throws {@link ContainerBlocked} when something it needs is missing. */
export async function environmentOf(
  container: KubeletContainer,
  fields: FieldSource,
  data: ReferencedData,
  links: ReadonlyMap<string, string> = new Map(),
): Promise<ReadonlyMap<string, string>> {
  const environment = new Map<string, string>(links);
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    const source = configMapRef === undefined ? "secret" : "configMap";
    const reference = configMapRef ?? secretRef;
    if (reference === undefined) continue;
    const found = await data[source](reference.name);
    if (found === undefined && reference.optional !== true) throw missing(source, reference.name);
    for (const [key, value] of found ?? []) environment.set(`${prefix}${key}`, value.toString());
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(variable, environment, { fields, data, container });
    if (value !== undefined) environment.set(variable.name, value);
  }
  return environment;
}

async function variableValue(
  { name, value, valueFrom }: KubeletEnvVar,
  before: ReadonlyMap<string, string>,
  { fields, data, container }: { readonly fields: FieldSource; readonly data: ReferencedData; readonly container: KubeletContainer },
): Promise<string | undefined> {
  if (valueFrom === undefined) return expand(value ?? "", before);
  if (valueFrom.fieldRef !== undefined) {
    const found = fieldValue(fields, valueFrom.fieldRef.fieldPath);
    if (found === undefined) throw configError(`environment variable ${name}: field path ${valueFrom.fieldRef.fieldPath} is not supported`);
    return found;
  }
  if (valueFrom.resourceFieldRef !== undefined) {
    const found = resourceValue(fields.pod, valueFrom.resourceFieldRef, container);
    if (found === undefined)
      throw configError(`environment variable ${name}: resource ${valueFrom.resourceFieldRef.resource} is not there`);
    return found;
  }
  const source = valueFrom.configMapKeyRef === undefined ? "secret" : "configMap";
  const reference = valueFrom.configMapKeyRef ?? valueFrom.secretKeyRef;
  if (reference === undefined)
    throw configError(`environment variable ${name}: valueFrom is of a kind that this kubelet does not have yet`);
  const object = await data[source](reference.name);
  const found = object?.get(reference.key)?.toString();
  if (found !== undefined || reference.optional === true) return found;
  throw object === undefined
    ? missing(source, reference.name)
    : configError(`couldn't find key ${reference.key} in ${source === "secret" ? "Secret" : "ConfigMap"} ${reference.name}`);
}

const configError = (message: string): ContainerBlocked => new ContainerBlocked("CreateContainerConfigError", message);

const missing = (source: "configMap" | "secret", name: string): ContainerBlocked =>
  configError(`${source === "secret" ? "secret" : "configmap"} ${JSON.stringify(name)} not found`);

/** Replaces `$(NAME)` by the variable's value; an unknown name stays as it is, `$$` is a dollar sign (core/v1 EnvVar.value). */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(\$|\(([^()]*)\))/g, (whole, form: string, name: string | undefined) =>
    form === "$" ? "$" : (variables.get(name ?? "") ?? whole),
  );
}
