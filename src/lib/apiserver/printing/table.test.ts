import assert from "node:assert/strict";
import { it } from "node:test";
import type { PrinterColumn } from "../resource.ts";
import { ageOf, formatAge, toPartialList, toTable } from "./index.ts";

const now = Date.parse("2026-01-02T00:00:00Z");
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", resourceVersion: "7", creationTimestamp: "2026-01-01T23:59:30Z" },
  spec: {},
};

it("prints ages as kubectl does", () => {
  const minute = 60_000;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: [number, string][] = [
    [-5_000, "<invalid>"],
    [-1_500, "0s"],
    [119_000, "119s"],
    [2 * minute, "2m"],
    [3 * minute + 12_000, "3m12s"],
    [179 * minute, "179m"],
    [3 * hour, "3h"],
    [5 * hour + 7 * minute, "5h7m"],
    [47 * hour, "47h"],
    [2 * day + 3 * hour, "2d3h"],
    [17 * day, "17d"],
    [730 * day, "2y"],
    [761 * day, "2y31d"],
    [9 * 365 * day, "9y"],
  ];
  for (const [elapsed, text] of cases) assert.equal(formatAge(elapsed), text);
  assert.equal(ageOf(undefined, now), "<unknown>");
});

it("makes a table of a list, with metadata attached and dates as ages", () => {
  const node: PrinterColumn = { name: "Node", type: "string", priority: 1, value: () => null };
  const age: PrinterColumn = { name: "Age", type: "date", value: ({ metadata }) => metadata.creationTimestamp ?? null };
  assert.deepEqual(toTable({ objects: [pod], columns: [node, age], list: { resourceVersion: "9" }, now }), {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion: "9" },
    columnDefinitions: [
      { name: "Node", type: "string", format: "", description: "", priority: 1 },
      { name: "Age", type: "string", format: "", description: "", priority: 0 },
    ],
    rows: [{ cells: ["<none>", "30s"], object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: pod.metadata } }],
  });
});

it("falls back to name and age, and to the version of a single object", () => {
  const table = toTable({ objects: [pod], includeObject: "None", now, definitions: false });
  assert.deepEqual(table.metadata, { resourceVersion: "7" });
  assert.deepEqual(table.columnDefinitions, []);
  assert.deepEqual(table.rows, [{ cells: ["web", "30s"] }]);
  assert.deepEqual(toTable({ objects: [pod], includeObject: "Object", now }).rows[0]?.object, pod);
});

it("reduces a list to metadata", () => {
  assert.deepEqual(toPartialList({ objects: [pod], list: { resourceVersion: "9" } }).items[0]?.metadata, pod.metadata);
});
