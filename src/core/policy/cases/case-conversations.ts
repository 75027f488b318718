import type { IpAddress } from "#lib/ip/index.ts";
import type { Way } from "./case.ts";
import type { CaseCluster } from "./cluster.ts";
import type { ConversationEnd } from "./conversation.ts";
import { isService } from "./notation.ts";
import type { Place } from "./place.ts";
import { formatProbe, parseService, type Probe } from "./probes.ts";
import type { Question } from "./questions.ts";

/** Who asks whom what, when a case is played with crafted packets. */
export interface CaseConversation {
  readonly title: string;
  readonly from: ConversationEnd;
  readonly to: ConversationEnd;
  readonly question: Question;
}

/** Where and when a probe is made. */
export interface Here {
  readonly cluster: CaseCluster;
  readonly place: Place;
  /** Gives a source port that no connection tracker remembers. */
  readonly portOf: () => number;
}

/** The source port of a conversation, each its own: a connection tracker remembers. */
const firstSourcePort = 10_000;
const lastSourcePort = 60_000;

/** Gives source ports, the same ones again after fifty thousand. */
export function createSourcePorts(): () => number {
  let next = firstSourcePort;
  return () => (next = next === lastSourcePort ? firstSourcePort : next + 1);
}

export function conversationsOf([from, to, service]: Way, here: Here): CaseConversation[] {
  const { families, ...parsed } = parseService(service);
  return families.map((family) => conversationOf({ from, to, family, ...parsed, expected: "ok" }, here));
}

/** A pod on the host's network speaks as its node. */
export function conversationOf(probe: Probe, { cluster, place, portOf }: Here): CaseConversation {
  const endOf = (name: string): ConversationEnd => {
    const pod = cluster.pods.get(name);
    if (isService(name)) return { name, node: cluster.pods.get(probe.from)?.node ?? "" };
    if (pod === undefined) return { name, node: name };
    return pod.hostNetwork ? { name: pod.node, node: pod.node } : { name, node: pod.node };
  };
  const from = endOf(probe.from);
  const to = endOf(probe.to);
  const question = {
    family: probe.family,
    protocol: probe.protocol,
    port: probe.port,
    sourcePort: probe.sourcePort ?? portOf(),
    source: addressOf(place, from.name, probe),
    destination: addressOf(place, to.name, probe),
  };
  return { title: formatProbe(probe), from, to, question };
}

function addressOf(place: Place, end: string, { family }: Probe): IpAddress {
  const address = place.address(end, family);
  if (address === undefined) throw new RangeError(`${end} has no IPv${family} address`);
  return address;
}
