import type { Family } from "#lib/ip/index.ts";
import type { PolicyCase, Step, Verdict } from "./case.ts";
import type { CaseCluster } from "./cluster.ts";
import { namespaceOf } from "./fixture.ts";
import { isService } from "./notation.ts";

/** What a service of a row stands for. */
export interface ProbedService {
  readonly protocol: "tcp" | "udp" | "sctp" | "icmp" | "ip";
  /** The destination port; of `ip` the protocol's number; 0 for `icmp`. */
  readonly port: number;
  readonly sourcePort?: number;
  readonly families: readonly Family[];
}

/** One question of a step: may `from` reach `to`? Ends are pods (`x/a`), nodes (`node-1`), or Services (`svc(x/web)`). */
export interface Probe {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  readonly protocol: ProbedService["protocol"];
  readonly port: number;
  readonly sourcePort?: number;
  readonly expected: Verdict;
}

/** Reads `80/tcp`, `80/udp6`, `80/tcp@5000`, `icmp`, `ip-47`. Throws for anything else: a mistake in a case. */
export function parseService(text: string): ProbedService {
  const other = /^(?:icmp|ip-(\d+))([46])?$/.exec(text);
  if (other !== null) {
    const [, number, family] = other;
    return { protocol: number === undefined ? "icmp" : "ip", port: Number(number ?? 0), families: familiesOf(family) };
  }
  const match = /^(\d+)\/(tcp|udp|sctp)([46])?(?:@(\d+))?$/.exec(text);
  if (match === null) throw new SyntaxError(`${JSON.stringify(text)} is no service such as 80/tcp`);
  const [, port, protocol, family, sourcePort] = match;
  return {
    protocol: protocol as "tcp" | "udp" | "sctp",
    port: Number(port),
    families: familiesOf(family),
    ...(sourcePort === undefined ? {} : { sourcePort: Number(sourcePort) }),
  };
}

const familiesOf = (text: string | undefined): readonly Family[] => (text === undefined ? [4, 6] : text === "4" ? [4] : [6]);

/** What several tries of one way have seen, in one word: `some` when some were answered and all others met silence. */
export function togetherSeen(verdicts: readonly string[]): string {
  const seen = [...new Set(verdicts)].sort();
  return seen.length === 1 ? (seen[0] ?? "") : seen.join() === "drop,ok" ? "some" : seen.join(", ");
}

/** A way as people write it: `x/a -> y/b 80/tcp IPv4`. */
export function formatProbe({ from, to, protocol, port, sourcePort, family }: Probe): string {
  const service = protocol === "icmp" ? "icmp" : protocol === "ip" ? `ip-${port}` : `${port}/${protocol}`;
  return `${from} -> ${to} ${service}${sourcePort === undefined ? "" : ` from port ${sourcePort}`} IPv${family}`;
}

/** All questions of a step: every pair of pods by every service that the case names anywhere (none: 80/tcp), plus what its rows name beside. */
export function probesOf({ steps, services = [], onlyRows = false }: PolicyCase, { expect }: Step, cluster: CaseCluster): Probe[] {
  const probes = new Map<string, Probe>();
  const note = (from: string, to: string, service: string, expected: Verdict): void => {
    const { families, ...rest } = parseService(service);
    for (const family of families) {
      const probe = { from, to, family, ...rest, expected };
      probes.set(formatProbe(probe), probe);
    }
  };
  // What closes a port that nobody listens on would be seen as refused, and source ports are for the rows that ask for them.
  const plain = (service: string): boolean => !/@|^99\//.test(service);
  const pods = [...cluster.pods.values()]
    .filter(({ hostNetwork, ends }) => hostNetwork !== true && ends === undefined)
    .map(({ name }) => name);
  const ofPods = steps.flatMap((each) => each.expect.filter(([, to]) => !isService(to)).map((row) => row[2]));
  const named = new Set([...services, ...ofPods].filter(plain));
  if (!onlyRows)
    for (const service of named.size > 0 ? named : ["80/tcp"])
      for (const from of pods) for (const to of pods) if (from !== to) note(from, to, service, "ok");
  for (const [fromPattern, toPattern, service, verdict] of expect)
    for (const from of endsOf(fromPattern, cluster))
      for (const to of endsOf(toPattern, cluster))
        if (from !== to || (fromPattern === toPattern && fromPattern === from)) note(from, to, service, verdict);
  return [...probes.values()];
}

/** The ends that a pattern of a row names. */
function endsOf(pattern: string, cluster: CaseCluster): string[] {
  const node = /^(host|other)\(([^)]+)\)$/.exec(pattern);
  if (node !== null) {
    const host = cluster.pods.get(node[2] ?? "")?.node;
    if (host === undefined) throw new RangeError(`${pattern} names a pod that is not there`);
    return [node[1] === "host" ? host : host === "node-1" ? "node-2" : "node-1"];
  }
  if (isService(pattern)) {
    if (!cluster.services.has(pattern.slice("svc(".length, -1))) throw new RangeError(`a row names ${pattern}, which is not there`);
    return [pattern];
  }
  if (pattern.includes("/")) {
    if (!cluster.pods.has(pattern)) throw new RangeError(`a row names the pod ${pattern}, which is not there`);
    return [pattern];
  }
  if (pattern.startsWith("node-")) return [pattern];
  if (!cluster.namespaces.has(pattern)) throw new RangeError(`a row names the namespace ${pattern}, which is not there`);
  return [...cluster.pods.values()]
    .filter(({ name, hostNetwork, ends }) => namespaceOf(name) === pattern && hostNetwork !== true && ends === undefined)
    .map(({ name }) => name);
}
