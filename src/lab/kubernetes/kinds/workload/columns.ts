import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import type { KubeObject, LabelSelector } from "#lib/kube/types.ts";
import { selectorText } from "../selector-text.ts";
import type { PodTemplate } from "./types.ts";

interface Workload extends KubeObject {
  readonly spec: { readonly selector: LabelSelector; readonly template: PodTemplate };
}

/** What `-o wide` adds for owners of pods. */
export const wideColumns: readonly PrinterColumn<Workload>[] = [
  {
    name: "Containers",
    type: "string",
    priority: 1,
    description: "Names of containers.",
    value: ({ spec }) => spec.template.spec.containers.map(({ name }) => name).join(","),
  },
  {
    name: "Images",
    type: "string",
    priority: 1,
    description: "Images of containers.",
    value: ({ spec }) => spec.template.spec.containers.map(({ image }) => image ?? "").join(","),
  },
  { name: "Selector", type: "string", priority: 1, description: "Pods of this owner.", value: ({ spec }) => selectorText(spec.selector) },
];
