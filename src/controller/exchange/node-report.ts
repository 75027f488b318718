import { controlplaneApiVersion } from "#core/api/controlplane/index.ts";
import * as json from "#core/api/controlplane/json.ts";
import { type Counters, encodeCounters } from "#core/statistics/index.ts";
import type { NodeCounted } from "../statistics/node-counted.ts";
import type { HeardReport } from "../status/reports.ts";

/** What a replica knows of a node, or a part of it: what agents told it, or it heard of others. */
export interface NodeKnowledge {
  readonly node: string;
  /** It has told what it counted: with this, all of that is known that it had told by then. */
  readonly heard: boolean;
  /** What it counted, by policy. */
  readonly counted: ReadonlyMap<string, NodeCounted>;
  /** What it enforces, by policy. */
  readonly enforced: ReadonlyMap<string, HeardReport>;
}

/** Kind of `nodereports` of controlplane.antrea.io/v1beta2: what replicas ask each other for, and nobody else. */
export const nodeReportKind = "NodeReport";

/** Of one part: a node has some hundred policies, and one that is named by more is a liar's. */
const bounds = { policies: 100_000, rules: 65_536, epochs: 1_000 } as const;
const longestMessage = 1_024;

export interface WireNodeReport {
  readonly apiVersion: string;
  readonly kind: typeof nodeReportKind;
  readonly metadata: { readonly name: string };
  readonly heard?: true;
  readonly counted?: readonly object[];
  readonly enforced?: readonly object[];
}

export function encodeKnowledge({ node, heard, counted, enforced }: NodeKnowledge): WireNodeReport {
  return {
    apiVersion: controlplaneApiVersion,
    kind: nodeReportKind,
    metadata: { name: node },
    ...(heard && { heard }),
    ...(counted.size > 0 && { counted: [...counted].map(([policy, each]) => ({ policy, ...encodeCounted(each) })) }),
    ...(enforced.size > 0 && { enforced: [...enforced].map(([policy, { at: _at, told: _told, ...report }]) => ({ policy, ...report })) }),
  };
}

const encodeCounted = ({ epochs, former }: NodeCounted) => ({
  ...(former !== undefined && { former: { through: former.through, ...encodeCounters(former.total) } }),
  epochs: [...epochs].map(([epoch, { total, rules }]) => ({
    epoch,
    ...encodeCounters(total),
    ...(rules.size > 0 && { rules: [...rules].map(([name, counters]) => ({ name, ...encodeCounters(counters) })) }),
  })),
});

/** Reads what another replica sent: total, the path of what is wrong and why as data. `at` is when it was heard. */
export function decodeKnowledge(value: unknown, at: number): json.Decoded<NodeKnowledge> {
  return json.decoding(() => {
    const place = json.root(value, nodeReportKind);
    return {
      node: json.text(json.field(json.field(place, "metadata"), "name")),
      heard: json.field(place, "heard").value === true,
      counted: new Map(bounded(json.field(place, "counted"), bounds.policies, (item) => [policyOf(item), readCounted(item)] as const)),
      enforced: new Map(
        bounded(json.field(place, "enforced"), bounds.policies, (item) => [policyOf(item), readEnforced(item, at)] as const),
      ),
    };
  });
}

const policyOf = (place: json.Place): string => json.text(json.field(place, "policy"));

function readCounted(place: json.Place): NodeCounted {
  const former = json.field(place, "former");
  const epochs = bounded(json.field(place, "epochs"), bounds.epochs, (item) => {
    const rules = bounded(json.field(item, "rules"), bounds.rules, (rule) => {
      return [json.textOrEmpty(json.field(rule, "name")), readCounters(rule)] as const;
    });
    return [json.text(json.field(item, "epoch")), { total: readCounters(item), rules: new Map(rules) }] as const;
  });
  return {
    epochs: new Map(epochs),
    ...(!json.absent(former) && { former: { through: json.text(json.field(former, "through")), total: readCounters(former) } }),
  };
}

function readCounters(place: json.Place): Counters {
  const count = (name: string): number => json.whole(json.field(place, name), { from: 0, to: Number.MAX_SAFE_INTEGER });
  return { sessions: count("sessions"), packets: count("packets"), bytes: count("bytes") };
}

function readEnforced(place: json.Place, at: number): HeardReport {
  const revision = json.field(place, "revision");
  const isTrue = (name: string): boolean => json.field(place, name).value === true;
  return {
    generation: json.whole(json.field(place, "generation"), { from: 0, to: Number.MAX_SAFE_INTEGER }),
    revision: json.absent(revision) ? undefined : json.text(revision),
    failed: isTrue("failed"),
    proven: isTrue("proven") && !isTrue("failed"),
    message: json.textOrEmpty(json.field(place, "message")).slice(0, longestMessage),
    direct: isTrue("direct"),
    at,
  };
}

function bounded<Item>(place: json.Place, most: number, read: (item: json.Place) => Item): Item[] {
  if (Array.isArray(place.value) && place.value.length > most) json.fail(place, `at most ${most} items`);
  return json.items(place, read);
}
