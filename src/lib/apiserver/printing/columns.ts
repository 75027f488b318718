import type { KubeObject } from "#lib/kube/types.ts";

export type Cell = string | number | boolean;

/** One column of what `kubectl get` prints for a kind. */
export interface PrinterColumn<Kind extends KubeObject = KubeObject> {
  readonly name: string;
  /** `date` takes an RFC 3339 time and prints how long ago that was. */
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** `name` marks the column that identifies the row. */
  readonly format?: string;
  readonly description?: string;
  /** 0 is always printed, 1 with `-o wide`. */
  readonly priority?: number;
  /** Undefined prints `<none>`, or `<unknown>` for a date. `now` is in milliseconds since the epoch. */
  value(object: Kind, context: { readonly now: number }): Cell | undefined;
}

export const nameColumn: PrinterColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object, unique within its namespace.",
  value: ({ metadata }) => metadata.name,
};

export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was created.",
  value: ({ metadata }) => metadata.creationTimestamp,
};
