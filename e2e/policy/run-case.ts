import { setTimeout as wait } from "node:timers/promises";
import { type Change, type PolicyCase, type Step, triesOfSome, type Way } from "#core/policy/cases/case.ts";
import { type CaseCluster, changed, fixtureCluster, keyOfOther, keyOfPolicy } from "#core/policy/cases/cluster.ts";
import { fixtureNamespaces, fixturePods, namespaceOf, shortNameOf } from "#core/policy/cases/fixture.ts";
import { placedObject, placedPolicy } from "#core/policy/cases/place.ts";
import { formatProbe, parseService, type Probe, probesOf, togetherSeen } from "#core/policy/cases/probes.ts";
import { keyOf, type KubeClient, namespaces, networkPolicies, pods } from "#lib/kube/index.ts";
import { canBeConfined, slotLabel } from "./confined.ts";
import { explain } from "./explain.ts";
import { putObject, removeObject } from "./other-objects.ts";
import type { PodPool, Slot } from "./pod-pool.ts";
import type { ProbedWay } from "./prober-client.ts";

/** Silence of so long is a drop. An answer that takes longer on a busy machine is asked for again. */
const probeTimeoutMs = 500;
/** Until a change is in force and every way has been asked again. Far above the product's budget: cases judge verdicts, not speed. */
const settleLimitMs = 240_000;
/** Between asking again: hundreds of questions at once would otherwise keep the machine so busy that answers come too late. */
const retryPauseMs = 100;
/** Of many rows so few are asked first: as long as they are wrong, a change is not in force, and asking all would keep the machine from making it so. */
const askedFirst = 8;
/** For those of a change that are asked first: what they say only decides when all are asked, so that silence may be short, and asking is given up. */
const firstTimeoutMs = 100;
const firstLimitMs = 5_000;
/** How long a step is watched whose rows held from the start, so that a change that should have no effect has time to show one. */
const watchMs = 300;
/** Retries of TCP come after 1, 2, 4, … seconds. */
const openLimitMs = 120_000;

/**
 * Rows that no socket in the pods can ask, again and again until they hold, are asked by crafted frames. SCTP and bare IP have no sockets here, and a TCP
 * socket on a source port of its own finds that port taken when it asks the same way a second time.
 */
const hasSocket = ({ protocol, sourcePort }: Pick<Probe, "protocol" | "sourcePort">): boolean =>
  protocol !== "sctp" && protocol !== "ip" && !(protocol === "tcp" && sourcePort !== undefined);

/**
 * So are echo requests of pods, many of which come at once: the shell's ping is a process each, costs as much as twenty connections, and does not tell of
 * errors about it. A node has no wire of its own.
 */
const isCrafted = (slot: Slot, probe: Probe): boolean => !hasSocket(probe) || (probe.protocol === "icmp" && slot.hasWire(probe.from));

/** What the system says of a datagram that "administratively prohibited" came back for, over IPv4 and IPv6. */
const rejections = ["EHOSTUNREACH", "EACCES"];

/** What a case did: how many ways were asked, and how many of its rows by crafted frames. */
export interface CaseOutcome {
  readonly probes: number;
  readonly crafted: number;
}

/** A row did not come true. */
export class RowsDisagree extends Error {
  readonly probes: readonly Probe[];

  constructor(title: string, wrong: readonly { readonly probe: Probe; readonly seen: string }[], policies: string) {
    const rows = wrong.map(({ probe, seen }) => `  ${formatProbe(probe)}: expected ${probe.expected}, seen ${seen}`);
    super(`${title}: ${wrong.length} rows disagree\n${rows.slice(0, 20).join("\n")}\npolicies: ${policies}`);
    this.probes = wrong.map(({ probe }) => probe);
  }
}

/** Plays a case in a slot whose ways are all open. Throws {@link RowsDisagree}. Leaves the slot as it found it. */
export async function runCase({
  pool,
  slot,
  policyCase,
}: {
  readonly pool: PodPool;
  readonly slot: Slot;
  readonly policyCase: PolicyCase;
}): Promise<CaseOutcome> {
  const confinedTo = canBeConfined(policyCase) ? slot.number : undefined;
  let cluster = fixtureCluster();
  let count = 0;
  let crafted = 0;
  const opened: { readonly name: string; readonly from: string }[] = [];
  let beginning: Promise<readonly string[]> | undefined;
  let before: Verdicts = new Map();
  try {
    for (const [index, step] of policyCase.steps.entries()) {
      const title = `${policyCase.id} step ${index + 1}`;
      for (const change of step.changes) {
        const after = changed(cluster, change);
        await makeChange({ client: pool.client, slot, confinedTo, change, before: cluster, after });
        cluster = after;
      }
      const probes = probesOf(policyCase, step, cluster);
      crafted += probes.filter((probe) => isCrafted(slot, probe)).length;
      count += await hold({ slot, title, probes, before, cluster });
      before = new Map(probes.map((probe) => [formatProbe(probe), probe.expected]));
      await stillTalk(slot, title, opened);
      if (beginning !== undefined) {
        const verdicts = await beginning;
        if (verdicts.some((verdict) => verdict !== "ok"))
          throw new Error(`${title}: connections begun before came to ${verdicts.join(", ")}`);
        beginning = undefined;
      }
      opened.push(...(await openAll(slot, title, step.open ?? [])));
      if (step.begin !== undefined) beginning = begin(slot, step.begin, opened);
    }
  } catch (error) {
    // While the switches still have what was wrong.
    if (error instanceof RowsDisagree) error.message += await explain({ lab: pool.lab, slot, probes: error.probes });
    throw error;
  } finally {
    await beginning?.catch(() => {});
    for (const { from, name } of opened) await slot.prober(from).forget([name]);
    await restore({ client: pool.client, slot, confinedTo, cluster });
    if (crafted > 0) await slot.forgetAssociations();
  }
  return { probes: count, crafted };
}

/** By {@link formatProbe}. */
type Verdicts = ReadonlyMap<string, Probe["expected"]>;

interface Holding {
  readonly slot: Slot;
  readonly title: string;
  readonly probes: readonly Probe[];
  /** What held until now; where nothing is said every way was open. */
  readonly before: Verdicts;
  readonly cluster: CaseCluster;
}

/**
 * Asks until every row holds, then all of them once more: an agreement of single rows at different times proves nothing. In the last pass
 * a drop must be a drop at once, while an answer may be late. Some rows that the change changes are waited for first: where all hold as soon as those do,
 * that pass is the last.
 */
async function hold({ slot, title, probes, before, cluster }: Holding): Promise<number> {
  const deadline = performance.now() + settleLimitMs;
  let asked = 0;
  const ask = async (some: readonly Probe[], timeoutMs?: number): Promise<Seen[]> => {
    asked += some.length;
    return await disagreeing(slot, some, timeoutMs);
  };
  // Replies to what was admitted before are known: a packet the other way would arrive, as one.
  const forget = async (): Promise<void> => {
    if (probes.some(({ protocol }) => protocol === "sctp")) await slot.forgetAssociations();
  };
  const untilAgreed = async (wrong: readonly Seen[]): Promise<void> => {
    for (let left = wrong; left.length > 0; ) {
      if (performance.now() > deadline) throw new RowsDisagree(title, left, policiesOf(cluster, slot));
      await wait(retryPauseMs);
      await forget();
      left = await askedAgain(left, ask);
    }
  };
  const changed = spread(
    probes.filter((probe) => probe.expected !== (before.get(formatProbe(probe)) ?? "ok")),
    askedFirst,
  );
  const shown = performance.now() + firstLimitMs;
  for (let left = changed; left.length > 0 && performance.now() < shown; )
    left = (await ask(left, firstTimeoutMs)).map(({ probe }) => probe);
  await forget();
  const wrong = await ask(probes);
  if (wrong.length === 0 && changed.length > 0) return asked;
  if (wrong.length === 0) await wait(watchMs);
  else await untilAgreed(wrong);
  const late = await ask(probes);
  const leaks = late.filter(({ probe }) => probe.expected === "drop");
  if (leaks.length > 0) throw new RowsDisagree(`${title}, after all rows had held`, leaks, policiesOf(cluster, slot));
  await untilAgreed(late);
  return asked;
}

/** Those that still disagree; all are asked only when the first of them agree. */
async function askedAgain(wrong: readonly Seen[], ask: (probes: readonly Probe[]) => Promise<Seen[]>): Promise<Seen[]> {
  const [some, rest] = [wrong.slice(0, askedFirst), wrong.slice(askedFirst)];
  const stillWrong = await ask(some.map(({ probe }) => probe));
  return stillWrong.length > 0 || rest.length === 0 ? [...stillWrong, ...rest] : await ask(rest.map(({ probe }) => probe));
}

/** So many of them, from everywhere in their order. */
const spread = <Item>(items: readonly Item[], count: number): readonly Item[] =>
  items.filter(
    (_, index) => items.length <= count || Math.floor((index * count) / items.length) !== Math.floor(((index - 1) * count) / items.length),
  );

interface Seen {
  readonly probe: Probe;
  readonly seen: string;
}

async function disagreeing(slot: Slot, probes: readonly Probe[], timeoutMs: number = probeTimeoutMs): Promise<Seen[]> {
  const { crafted = [], plain = [] } = Object.groupBy(probes, (probe) => (isCrafted(slot, probe) ? "crafted" : "plain"));
  const [bySockets, verdicts] = await Promise.all([
    askBySockets(slot, plain, timeoutMs),
    crafted.length === 0 ? [] : slot.askCrafted(crafted, timeoutMs),
  ]);
  const byFrames = crafted.map((probe, index) => ({ probe, seen: verdicts[index] ?? "nothing" }));
  return [...bySockets, ...byFrames].filter(({ probe, seen }) => probe.expected !== seen);
}

async function askBySockets(slot: Slot, probes: readonly Probe[], timeoutMs: number): Promise<Seen[]> {
  const byEnd = Map.groupBy(probes, ({ from }) => from);
  const found = [...byEnd].map(async ([from, own]) => {
    const tries = own.flatMap((probe) => Array.from({ length: probe.expected === "some" ? triesOfSome : 1 }, () => probe));
    const verdicts = await slot.prober(from).probe(
      tries.map((probe) => wayOf(slot, probe)),
      timeoutMs,
    );
    const seenOf = (probe: Probe): string => {
      const seen = togetherSeen(verdicts.filter((_, index) => tries[index] === probe));
      return probe.protocol === "udp" && rejections.includes(seen) ? "refused" : seen;
    };
    return own.map((probe) => ({ probe, seen: seenOf(probe) }));
  });
  return (await Promise.all(found)).flat();
}

function wayOf(slot: Slot, { to, family, protocol, port, sourcePort }: Omit<Probe, "expected" | "from">): ProbedWay {
  const address = slot.place.address(to, family);
  if (address === undefined || protocol === "sctp" || protocol === "ip")
    throw new Error(`${to} cannot be asked by ${protocol} over IPv${family}`);
  return { host: address.toString(), port, protocol, ...(sourcePort === undefined ? {} : { sourcePort }) };
}

const waysOf = (slot: Slot, [from, to, service]: Way) => {
  const { families, ...parsed } = parseService(service);
  return families.map((family) => ({ from, name: `${from} ${to} ${service} ${family}`, way: wayOf(slot, { to, family, ...parsed }) }));
};

async function openAll(slot: Slot, title: string, ways: readonly Way[]): Promise<{ readonly name: string; readonly from: string }[]> {
  const wanted = ways.flatMap((way) => waysOf(slot, way));
  for (const { from, name, way } of wanted) {
    const verdict = await slot.prober(from).open(name, way, openLimitMs);
    if (verdict !== "ok") throw new Error(`${title}: the connection ${name} came to ${verdict}`);
  }
  return wanted;
}

function begin(slot: Slot, ways: readonly Way[], opened: { name: string; from: string }[]): Promise<readonly string[]> {
  return Promise.all(
    ways
      .flatMap((way) => waysOf(slot, way))
      .map(async ({ from, name, way }) => {
        const verdict = await slot.prober(from).open(name, way, openLimitMs);
        if (verdict === "ok") opened.push({ from, name });
        return verdict;
      }),
  );
}

async function stillTalk(slot: Slot, title: string, opened: readonly { readonly name: string; readonly from: string }[]): Promise<void> {
  for (const { from, name } of opened) {
    const [verdict] = await slot.prober(from).exchange([name], openLimitMs);
    if (verdict !== "ok") throw new Error(`${title}: the established connection ${name} came to ${verdict}`);
  }
}

const policiesOf = (cluster: CaseCluster, slot: Slot): string =>
  JSON.stringify([
    ...[...cluster.policies.values()].map((policy) => placedPolicy(policy, slot.place, cluster)),
    ...[...cluster.others.values()].map(({ object }) => placedObject(object, slot.place, cluster)),
  ]);

interface Making {
  readonly client: KubeClient;
  readonly slot: Slot;
  readonly confinedTo: number | undefined;
  readonly change: Change;
  readonly before: CaseCluster;
  readonly after: CaseCluster;
}

async function makeChange({ client, slot, confinedTo, change, before, after }: Making): Promise<void> {
  const target = (key: string) => ({ namespace: slot.namespace(namespaceOf(key)), name: shortNameOf(key) });
  switch (change.type) {
    case "apply": {
      const policy = placedPolicy(change.policy, slot.place, after);
      if (before.policies.has(keyOfPolicy(change.policy))) await client.update(networkPolicies, policy);
      else await client.create(networkPolicies, policy);
      return;
    }
    case "set": {
      const { kind, object } = change.other;
      const isNew = !before.others.has(keyOfOther(kind, keyOf(object)));
      return putObject({ client, place: slot.place, cluster: after, other: change.other, isNew, slot: confinedTo });
    }
    case "unset":
      return removeObject({ client, place: slot.place, kind: change.kind, key: change.key, slot: confinedTo });
    case "remove":
      return client.delete(networkPolicies, target(change.policy));
    case "label-namespace": {
      const name = slot.namespace(change.namespace);
      if (change.replace)
        await client.update(namespaces, {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name, labels: { ...after.namespaces.get(change.namespace), [slotLabel]: String(slot.number) } },
        });
      else await client.patch(namespaces, { name }, { metadata: { labels: change.labels } });
      return;
    }
    case "label-pod":
      await client.patch(pods, target(change.pod), { metadata: { labels: change.labels } });
      return;
    case "create-pod":
      return slot.createPod(change.pod);
    case "delete-pod":
      return slot.deletePod(change.pod);
    case "terminate-pod":
      return slot.terminatePod(change.pod);
    case "create-service":
      return slot.createService(change.service);
    case "delete-service":
      return slot.deleteService(change.service);
    case "forget-neighbours":
      return slot.forgetNeighbours();
  }
}

/** Takes away what a case made and waits until every way is open again: port 82, which cases rarely name, shows the last isolation go; of whatever protocol. */
async function restore({
  client,
  slot,
  confinedTo,
  cluster,
}: {
  readonly client: KubeClient;
  readonly slot: Slot;
  readonly confinedTo: number | undefined;
  readonly cluster: CaseCluster;
}): Promise<void> {
  for (const key of cluster.policies.keys())
    await client.delete(networkPolicies, { namespace: slot.namespace(namespaceOf(key)), name: shortNameOf(key) });
  // Policies before the tiers that they name.
  const others = [...cluster.others.values()].sort((one, other) => Number(one.kind === "Tier") - Number(other.kind === "Tier"));
  for (const { kind, object } of others) await removeObject({ client, place: slot.place, kind, key: keyOf(object), slot: confinedTo });
  for (const name of cluster.services.keys()) await slot.deleteService(name);
  for (const { name } of cluster.pods.values()) if (!fixturePods.some((pod) => pod.name === name)) await slot.deletePod(name);
  for (const pod of fixturePods) {
    const labels = cluster.pods.get(pod.name)?.labels ?? {};
    const extra = Object.keys(labels).filter((key) => !(key in pod.labels));
    if (extra.length === 0) continue;
    const target = { namespace: slot.namespace(namespaceOf(pod.name)), name: shortNameOf(pod.name) };
    await client.patch(pods, target, { metadata: { labels: Object.fromEntries(extra.map((key) => [key, null])) } });
  }
  for (const name of fixtureNamespaces) {
    const extra = Object.keys(cluster.namespaces.get(name) ?? {}).filter((key) => key !== "ns");
    if (extra.length > 0)
      await client.patch(
        namespaces,
        { name: slot.namespace(name) },
        { metadata: { labels: Object.fromEntries(extra.map((key) => [key, null])) } },
      );
  }
  const step: Step = { changes: [], expect: [] };
  const open = probesOf({ id: "", title: "", services: ["82/tcp"], steps: [step] }, step, fixtureCluster());
  const deadline = performance.now() + settleLimitMs;
  for (let wrong = await disagreeing(slot, open); wrong.length > 0; ) {
    if (performance.now() > deadline) throw new RowsDisagree(`slot ${slot.number} does not open again`, wrong, "none");
    wrong = await askedAgain(wrong, (probes) => disagreeing(slot, probes));
  }
}
