import { formatRequirements, requirementsOf } from "#lib/kube/selectors.ts";
import type { LabelSelector } from "#lib/kube/types.ts";

/** A selector as `kubectl get` prints it: `<none>` selects everything. */
export function selectorText(selector: LabelSelector | undefined): string {
  try {
    return formatRequirements(requirementsOf(selector ?? {})) || "<none>";
  } catch {
    return "<error>";
  }
}

/** A map of labels as `kubectl get` prints it. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return selectorText({ matchLabels: labels ?? {} });
}
