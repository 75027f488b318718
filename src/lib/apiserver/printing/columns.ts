import type { PrinterColumn } from "../resource.ts";

export const nameColumn: PrinterColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name of the object, unique within its namespace.",
  value: ({ metadata }) => metadata.name ?? "",
};

/** `date` columns hold an RFC 3339 time; the table prints how long ago that was. */
export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  description: "Time since the object was created.",
  value: ({ metadata }) => metadata.creationTimestamp ?? null,
};
