import type { KubeObject } from "#lib/kube/types.ts";
import type { Json, JsonObject } from "../openapi/schema.ts";
import { ageColumn, nameColumn } from "../printing/columns.ts";
import type { Cell, PrinterColumn } from "../resource.ts";
import { parseJsonPath } from "./json-path.ts";
import type { CustomResourceColumn, CustomResourceVersion } from "./types.ts";

/** The columns that `kubectl get` prints for a version: the name, then what the definition says, or the age. */
export function printerColumns({ additionalPrinterColumns: columns }: CustomResourceVersion): readonly PrinterColumn[] {
  return [nameColumn, ...(columns === undefined || columns.length === 0 ? [ageColumn] : columns.map(printerColumn))];
}

const columnTypes = ["integer", "number", "string", "boolean", "date"] as const;

function printerColumn({ name, type, format, description, priority, jsonPath }: CustomResourceColumn): PrinterColumn {
  const path = parseJsonPath(jsonPath) ?? (() => []);
  const known = columnTypes.find((one) => one === type) ?? "string";
  return {
    name,
    type: known,
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(format === undefined ? {} : { format }),
    ...(priority === undefined ? {} : { priority }),
    value: (object: KubeObject) => cellOf(known, path(object as unknown as JsonObject)),
  };
}

function cellOf(type: PrinterColumn["type"], values: readonly Json[]): Cell {
  const [first] = values;
  if (first === undefined || first === null) return null;
  switch (type) {
    case "string":
      return values.map(textOf).join(" ");
    case "integer":
    case "number":
      return typeof first === "number" ? first : null;
    case "boolean":
      return typeof first === "boolean" ? first : null;
    default:
      return typeof first === "string" ? first : null;
  }
}

const textOf = (value: Json): string => (typeof value === "object" ? JSON.stringify(value) : String(value));
