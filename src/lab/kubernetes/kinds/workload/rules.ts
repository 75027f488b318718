import { type FieldError, invalid, notSupported, required } from "#lib/apiserver/field-error.ts";
import type { Draft } from "#lib/apiserver/resource.ts";
import { selectorMatches } from "#lib/kube/selectors.ts";
import type { LabelSelector } from "#lib/kube/types.ts";
import { defaultPodSpec } from "../pod/defaults.ts";
import { checkPodSpec } from "../pod/rules.ts";
import { checkSelector, checkUnchanged } from "../rules.ts";
import type { PodTemplate } from "./types.ts";

interface WorkloadSpec {
  readonly replicas?: number;
  readonly selector: LabelSelector;
  readonly template: PodTemplate;
  readonly minReadySeconds?: number;
}

/** Rules that every owner of pods by template shares. The selector cannot change. */
export function checkWorkload(spec: WorkloadSpec, old?: WorkloadSpec): FieldError[] {
  const { selector, template } = spec;
  const selectorErrors = checkSelector("spec.selector", selector);
  const empty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0;
  return [
    ...notNegative("spec.replicas", spec.replicas),
    ...notNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...(empty ? [invalid("spec.selector", selector, "empty selector is invalid for this kind")] : selectorErrors),
    ...(selectorErrors.length === 0 && !empty && !selectorMatches(selector, template.metadata?.labels ?? {})
      ? [invalid("spec.template.metadata.labels", template.metadata?.labels ?? {}, "`selector` does not match template `labels`")]
      : []),
    ...(template.spec ? checkTemplateSpec(template) : [required("spec.template.spec")]),
    ...(old === undefined ? [] : checkUnchanged("spec.selector", selector, old.selector)),
  ];
}

function checkTemplateSpec({ spec }: PodTemplate): FieldError[] {
  const restart = spec.restartPolicy === "Always" ? [] : [notSupported("spec.template.spec.restartPolicy", spec.restartPolicy, ["Always"])];
  return [...checkPodSpec("spec.template.spec", spec), ...restart];
}

export function notNegative(path: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, "must be greater than or equal to 0")] : [];
}

/** Defaults of a template. Kubernetes writes the creation time that a template never has as null: `kubectl apply` compares with that. */
export function defaultTemplate(template: Draft<PodTemplate> | undefined): void {
  if (!template?.spec) return;
  defaultPodSpec(template.spec);
  template.metadata = { creationTimestamp: null as never, ...template.metadata };
}
