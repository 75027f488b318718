import { portToWire } from "../port.ts";
import { wordOf, wordsOf } from "./layout.ts";
import type { CompiledBucket, CompiledGroup } from "./group-buckets.ts";
import type { TranslatorContext } from "./translator.ts";
import type { WalkedKey } from "./walked-key.ts";

/** Groups that watch groups are followed so deep. */
const maxDepth = 64;

const ethTypeWord = wordOf("eth_type");
/** Fields by which packets are spread over the buckets of a select group. */
const spreadWords = (
  ["ip_proto", "ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "eth_src", "eth_dst"] as const
).flatMap((name) => wordsOf(name));
/** Open vSwitch's default method (`flow_hash_symmetric_l4`) has no ports of UDP. */
const portWords = new Set((["udp_src", "udp_dst"] as const).flatMap((name) => wordsOf(name)));
const udp = 17;
const protocolWord = wordOf("ip_proto");
const spreadWords6 = (["ipv6_src", "ipv6_dst"] as const).flatMap((name) => wordsOf(name));

/** The buckets of a group that take the packet. */
export function selectBuckets(group: CompiledGroup, walked: WalkedKey, context: TranslatorContext): readonly CompiledBucket[] {
  const { type } = group.group;
  if (type === "all") return group.buckets;
  if (type === "indirect") return group.buckets.slice(0, 1);
  const live = group.buckets.filter((bucket) => isLive(bucket, context, 0));
  if (type === "fast_failover") return live.slice(0, 1);
  const weighted = live.filter(({ bucket }) => (bucket.weight ?? 1) > 0);
  const chosen = context.chooseBucket(group, weighted, spread(group, walked));
  return chosen === undefined ? [] : [chosen];
}

function isLive({ bucket }: CompiledBucket, context: TranslatorContext, depth: number): boolean {
  const { watchPort, watchGroup } = bucket;
  if (watchPort !== undefined && watchPort !== "ANY" && context.port(portToWire(watchPort))?.live !== true) return false;
  if (watchGroup === undefined || watchGroup === 0xffff_ffff) return true;
  const watched = context.rules.group(watchGroup);
  return depth < maxDepth && watched?.buckets.some((each) => isLive(each, context, depth + 1)) === true;
}

/** A number that is the same for all packets of a connection's direction, or for equal values of the group's own fields. */
function spread({ group }: CompiledGroup, walked: WalkedKey): number {
  const own = group.selectionMethod === "hash" ? group.selectionFields : undefined;
  const words = own?.flatMap(({ field }) => wordsOf(field)) ?? [
    ...(walked.key[ethTypeWord] === 0x86dd ? spreadWords6 : []),
    ...spreadWords,
  ];
  const leftOut = group.selectionMethod === undefined && walked.look(protocolWord) === udp;
  let hash = Number((group.selectionParameter ?? 0n) & 0xffff_ffffn) | 0;
  for (const word of words) if (!leftOut || !portWords.has(word)) hash = Math.imul(hash ^ walked.look(word), 0x85eb_ca6b) ^ (hash >>> 13);
  return Math.imul(hash ^ (hash >>> 16), 0xc2b2_ae35) >>> 0;
}
