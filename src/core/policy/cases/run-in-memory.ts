import type { IpAddress } from "#lib/ip/index.ts";
import { arithmeticPlace } from "./arithmetic-place.ts";
import { type PolicyCase, triesOfSome, type Way } from "./case.ts";
import { type CaseCluster, changed, fixtureCluster } from "./cluster.ts";
import { createMemoryCluster, type MemoryEnd } from "./memory-cluster.ts";
import { isService } from "./notation.ts";
import { type Place, worldOf } from "./place.ts";
import { formatProbe, parseService, type Probe, probesOf, togetherSeen } from "./probes.ts";
import type { Question } from "./questions.ts";

/** The source port of a conversation, each its own: a connection tracker remembers. */
const firstSourcePort = 10_000;
const lastSourcePort = 60_000;

interface Conversation {
  readonly title: string;
  readonly from: MemoryEnd;
  readonly to: MemoryEnd;
  readonly question: Question;
}

/** Plays a case on two switches in memory. Returns what disagreed, for people. */
export function runInMemory(policyCase: PolicyCase): string[] {
  const memory = createMemoryCluster();
  let cluster = fixtureCluster();
  let nextPort = firstSourcePort;
  const wrong: string[] = [];
  const open: Conversation[] = [];
  let begun: Conversation[] = [];
  for (const [index, step] of policyCase.steps.entries()) {
    cluster = step.changes.reduce(changed, cluster);
    const place = arithmeticPlace(cluster);
    memory.become(worldOf(cluster, place));
    const complain = (what: string): void => void wrong.push(`${policyCase.id} step ${index + 1}: ${what}\n${memory.explain()}`);
    const portOf = (): number => (nextPort = nextPort === lastSourcePort ? firstSourcePort : nextPort + 1);
    const conversations = (ways: readonly Way[]): Conversation[] => ways.flatMap((way) => conversationsOf(way, { cluster, place, portOf }));

    for (const probe of probesOf(policyCase, step, cluster)) {
      const tries = Array.from({ length: probe.expected === "some" ? triesOfSome : 1 }, () => {
        const { from, to, question } = conversation(probe, { cluster, place, portOf });
        return memory.ask(from, to, question);
      });
      const seen = togetherSeen(tries);
      if (seen !== probe.expected) complain(`${formatProbe(probe)}: expected ${probe.expected}, seen ${seen}`);
    }
    for (const { title, from, to, question } of open)
      if (!memory.talk(from, to, question)) complain(`the established connection ${title} is cut`);
    for (const { title, from, to, question } of begun)
      if (memory.ask(from, to, question) !== "ok") complain(`the retry of ${title} is dropped`);
    begun = conversations(step.begin ?? []);
    for (const { title, from, to, question } of begun) if (memory.ask(from, to, question) !== "drop") complain(`${title} is not dropped`);
    const opening = conversations(step.open ?? []);
    for (const { title, from, to, question } of opening) if (memory.ask(from, to, question) !== "ok") complain(`${title} cannot be opened`);
    open.push(...opening);
  }
  return wrong;
}

interface Here {
  readonly cluster: CaseCluster;
  readonly place: Place;
  readonly portOf: () => number;
}

function conversationsOf([from, to, service]: Way, here: Here): Conversation[] {
  const { families, ...parsed } = parseService(service);
  return families.map((family) => conversation({ from, to, family, ...parsed, expected: "ok" }, here));
}

/** A pod on the host's network speaks as its node. */
function conversation(probe: Probe, { cluster, place, portOf }: Here): Conversation {
  const endOf = (name: string): MemoryEnd => {
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
