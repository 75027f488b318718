import { int32, opaque, part, string, use } from "#lib/apiserver/openapi/build.ts";
import { microTime, time } from "#lib/apiserver/openapi/meta.ts";
import { ageOf } from "#lib/apiserver/printing/age.ts";
import type { PrinterColumn } from "#lib/apiserver/resource.ts";
import { type Event, events } from "#lib/kube/kinds.ts";
import { kind } from "./kind.ts";
import { objectReference } from "./references.ts";

interface FullEvent extends Event {
  readonly eventTime?: string | null;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
}

const subject = ({ involvedObject }: FullEvent): string => `${involvedObject?.kind?.toLowerCase() ?? ""}/${involvedObject?.name ?? ""}`;
const firstSeen = ({ firstTimestamp, eventTime }: FullEvent): string | undefined => firstTimestamp ?? eventTime ?? undefined;
const lastSeen = (event: FullEvent): string | undefined => event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event);
const sourceOf = ({ source, reportingComponent }: FullEvent): string =>
  [source?.component || reportingComponent || "", source?.host].filter(Boolean).join(", ");

const columns: readonly PrinterColumn<FullEvent>[] = [
  { name: "Last Seen", type: "string", description: "When it happened last.", value: (event, now) => ageOf(lastSeen(event), now) },
  { name: "Type", type: "string", description: "Normal or Warning.", value: ({ type }) => type ?? "" },
  { name: "Reason", type: "string", description: "What happened, in one word.", value: ({ reason }) => reason ?? "" },
  { name: "Object", type: "string", description: "To what.", value: subject },
  {
    name: "Subobject",
    type: "string",
    priority: 1,
    description: "To which part.",
    value: ({ involvedObject }) => involvedObject?.fieldPath ?? "",
  },
  { name: "Source", type: "string", priority: 1, description: "Who says so.", value: sourceOf },
  { name: "Message", type: "string", description: "Text for people.", value: ({ message }) => message?.trim() ?? "" },
  {
    name: "First Seen",
    type: "string",
    priority: 1,
    description: "When it happened first.",
    value: (event, now) => ageOf(firstSeen(event), now),
  },
  { name: "Count", type: "string", priority: 1, description: "How often.", value: ({ series, count }) => series?.count ?? count ?? 1 },
  {
    name: "Name",
    type: "string",
    priority: 1,
    format: "name",
    description: "Name of the event.",
    value: ({ metadata }) => metadata.name ?? "",
  },
];

export const eventDefinition = kind<FullEvent>({
  resource: events,
  package: "io.k8s.api.core.v1",
  description: "Something that happened to an object. Kept until its namespace is deleted.",
  fields: {
    involvedObject: use(objectReference, "To what."),
    reason: string("What happened, in one word."),
    message: string("Text for people."),
    source: part("io.k8s.api.core.v1.EventSource", "Who says so.", { component: string("Program."), host: string("Node.") }),
    firstTimestamp: { ...use(time, "When it happened first."), nullable: true },
    lastTimestamp: { ...use(time, "When it happened last."), nullable: true },
    count: int32("How often."),
    type: string("Normal or Warning."),
    eventTime: { ...use(microTime, "When it happened first."), nullable: true },
    series: opaque("How often and when last."),
    action: string("What was done or failed."),
    related: use(objectReference, "A second object."),
    reportingComponent: string("Program that says so."),
    reportingInstance: string("Which instance of it."),
  },
  required: ["involvedObject"],
  shortNames: ["ev"],
  columns,
  selectableFields: {
    "involvedObject.kind": ({ involvedObject }) => involvedObject?.kind ?? "",
    "involvedObject.namespace": ({ involvedObject }) => involvedObject?.namespace ?? "",
    "involvedObject.name": ({ involvedObject }) => involvedObject?.name ?? "",
    "involvedObject.uid": ({ involvedObject }) => involvedObject?.uid ?? "",
    "involvedObject.apiVersion": ({ involvedObject }) => involvedObject?.apiVersion ?? "",
    "involvedObject.resourceVersion": () => "",
    "involvedObject.fieldPath": ({ involvedObject }) => involvedObject?.fieldPath ?? "",
    reason: ({ reason }) => reason ?? "",
    reportingComponent: ({ reportingComponent }) => reportingComponent ?? "",
    source: ({ source, reportingComponent }) => source?.component || reportingComponent || "",
    type: ({ type }) => type ?? "",
  },
});
