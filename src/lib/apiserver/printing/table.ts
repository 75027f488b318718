import type { KubeObject, ListMeta } from "#lib/kube/types.ts";
import type { Cell, PrinterColumn } from "../resource.ts";
import { ageOf } from "./age.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import { toPartial } from "./partial.ts";

/** What each row carries of its object: `Metadata` unless the client asked otherwise. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableRequest {
  readonly objects: readonly KubeObject[];
  /** Of the kind; absent: name and age. */
  readonly columns?: readonly PrinterColumn[] | undefined;
  /** Metadata of the list; for a single object or a watch event its resourceVersion. */
  readonly list?: ListMeta;
  readonly includeObject?: IncludeObject;
  /** Milliseconds since the epoch: ages count to here. */
  readonly now: number;
  /** False leaves the column definitions out, as in every event of a watch but the first. */
  readonly definitions?: boolean;
}

/** `meta.k8s.io/v1 Table`: what `kubectl get` prints. */
export interface TableObject {
  readonly kind: "Table";
  readonly apiVersion: "meta.k8s.io/v1";
  readonly metadata: ListMeta;
  readonly columnDefinitions: readonly ColumnDefinition[];
  readonly rows: readonly { readonly cells: readonly Cell[]; readonly object?: object }[];
}

interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export function toTable({
  objects,
  columns = [nameColumn, ageColumn],
  list,
  includeObject = "Metadata",
  now,
  definitions = true,
}: TableRequest): TableObject {
  const [only] = objects;
  const resourceVersion = only?.metadata.resourceVersion;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: list ?? (resourceVersion === undefined ? {} : { resourceVersion }),
    columnDefinitions: definitions ? columns.map(definitionOf) : [],
    rows: objects.map((object) => ({ cells: columns.map((column) => cellOf(column, object, now)), ...attached(object, includeObject) })),
  };
}

/** Ages are printed by the server, so `date` columns reach clients as text. */
function definitionOf({ name, type, format = "", description = "", priority = 0 }: PrinterColumn): ColumnDefinition {
  return { name, type: type === "date" ? "string" : type, format, description, priority };
}

function cellOf(column: PrinterColumn, object: KubeObject, now: number): Cell {
  const value = column.value(object, now);
  if (column.type !== "date") return value ?? "<none>";
  return ageOf(typeof value === "string" ? value : undefined, now);
}

function attached(object: KubeObject, includeObject: IncludeObject): { readonly object?: object } {
  if (includeObject === "None") return {};
  return { object: includeObject === "Object" ? object : toPartial(object) };
}
