import { formatActions, parseActions, type TableNames, type TableNumbers } from "./actions/index.ts";
import { compact, parseNumber, parseOptions, splitList } from "./actions/codec.ts";
import { printedName } from "./actions/field.ts";
import { InvalidFlowText } from "./errors.ts";
import { fields, findField } from "./fields.ts";
import type { Bucket, Group } from "./group.ts";
import { formatPort, parsePort } from "./port.ts";
import { formatValue, parseInteger, parseValue } from "./value-text.ts";

const typeWords = { all: "all", select: "select", indirect: "indirect", fast_failover: "ff" } as const;
const typeOfWord: Readonly<Record<string, Group["type"]>> = {
  all: "all",
  select: "select",
  indirect: "indirect",
  ff: "fast_failover",
  fast_failover: "fast_failover",
};

/** The group as `ovs-ofctl -O OpenFlow15 dump-groups` prints it, without the space in front. {@link parseGroup} reads it back. */
export function formatGroup(group: Group, names: TableNames = {}): string {
  const head = [`group_id=${group.group}`, `type=${typeWords[group.type]}`];
  if (group.selectionMethod !== undefined) head.push(`selection_method=${group.selectionMethod}`);
  if (group.selectionParameter) head.push(`selection_method_param=${group.selectionParameter}`);
  const selected = (group.selectionFields ?? [])
    .toSorted((one, other) => fields[one.field].index - fields[other.field].index)
    .map(({ field, mask }) => `${printedName(fields[field])}${mask === undefined ? "" : `=${formatValue(fields[field], mask)}`}`);
  if (selected.length === 1) head.push(`fields=${selected[0]}`);
  if (selected.length > 1) head.push(`fields(${selected.join(",")})`);
  const buckets = group.buckets.map((bucket, index) => {
    const parts = [`bucket_id:${bucket.id ?? index}`];
    if (bucket.weight !== undefined && bucket.weight !== (group.type === "select" ? 1 : 0)) parts.push(`weight:${bucket.weight}`);
    if (bucket.watchPort !== undefined) parts.push(`watch_port:${formatPort(bucket.watchPort)}`);
    if (bucket.watchGroup !== undefined) parts.push(`watch_group:${bucket.watchGroup}`);
    return `bucket=${parts.join(",")},actions=${formatActions(bucket.actions, names)}`;
  });
  return [...head, ...buckets].join(",");
}

/** Reads a group in ovs-ofctl syntax. Throws {@link InvalidFlowText}. */
export function parseGroup(text: string, numbers: TableNumbers = {}): Group {
  const [head = "", ...bucketTexts] = text.trim().split(/(?:^|,)\s*bucket\s*=/);
  let group: number | undefined;
  let type: Group["type"] | undefined;
  let rest: Pick<Group, "selectionMethod" | "selectionParameter" | "selectionFields"> = {};
  for (const [key, value] of parseOptions(head)) {
    if (key === "group_id") group = parseNumber(value, 0xffffff00);
    else if (key === "type") type = typeOfWord[value];
    else if (key === "selection_method" && (value === "hash" || value === "dp_hash")) rest = { ...rest, selectionMethod: value };
    else if (key === "selection_method_param")
      rest = { ...rest, selectionParameter: parseInteger(value) ?? invalid(text, "selection_method_param") };
    else if (key === "fields") rest = { ...rest, selectionFields: splitList(value).map(parseSelectionField) };
    else throw new InvalidFlowText(text, `holds ${key}=${value}, which groups do not know`);
  }
  if (group === undefined) return invalid(text, "group_id");
  if (type === undefined) return invalid(text, "type");
  return { group, type, ...rest, buckets: bucketTexts.map((bucket) => parseBucket(bucket, numbers)) };
}

function parseSelectionField(text: string): { readonly field: keyof typeof fields; readonly mask?: bigint } {
  const [name = "", value] = text.split("=");
  const field = findField(name);
  if (field === undefined) throw new InvalidFlowText(text, "names no field");
  return value === undefined ? { field: field.name } : { field: field.name, mask: parseValue(field, value).value };
}

function parseBucket(text: string, numbers: TableNumbers): Bucket {
  const [, before = "", actions] = /^(.*?)(?:^|,)\s*actions?\s*=(.*)$/s.exec(text) ?? [];
  if (actions === undefined) throw new InvalidFlowText(text, "lacks the actions of its bucket");
  const found = new Map(splitList(before).map((part) => part.split(":", 2) as [string, string]));
  const number = (key: string, limit: number): number | undefined => {
    const value = found.get(key);
    return value === undefined ? undefined : (parseNumber(value, limit) ?? invalid(text, key));
  };
  const watchPort = found.get("watch_port");
  return compact<Bucket>({
    id: number("bucket_id", 0xffffff00),
    weight: number("weight", 0xffff),
    watchPort: watchPort === undefined ? undefined : (parsePort(watchPort) ?? invalid(text, "watch_port")),
    watchGroup: number("watch_group", 0xffffff00),
    actions: parseActions(actions, numbers),
  });
}

function invalid(text: string, key: string): never {
  throw new InvalidFlowText(text, `needs a valid ${key}`);
}
