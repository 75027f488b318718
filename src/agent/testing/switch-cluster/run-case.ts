import { arithmeticPlace } from "#core/policy/cases/arithmetic-place.ts";
import { type PolicyCase, triesOfSome, type Verdict, type Way } from "#core/policy/cases/case.ts";
import { type CaseConversation, conversationOf, conversationsOf, createSourcePorts } from "#core/policy/cases/case-conversations.ts";
import { changed, fixtureCluster } from "#core/policy/cases/cluster.ts";
import { worldOf } from "#core/policy/cases/place.ts";
import { formatProbe, type Probe, probesOf, togetherSeen } from "#core/policy/cases/probes.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import type { SwitchCluster, Waiting } from "./switch-cluster.ts";

/** What must come is waited for as long as the machine takes; what must not, as long as ever. */
const comes: Waiting = { withinMs: amplePatience };
const staysAway: Waiting = { withinMs: 1_000 };
/** At a time: those that end in silence only wait, the others make the switch work. */
const together = { answered: 16, silent: 256 } as const;

export interface RunCaseOptions {
  readonly cluster: SwitchCluster;
  /** Which probes of a step are made. Default all. */
  readonly choose?: (probes: readonly Probe[]) => readonly Probe[];
  readonly portOf?: () => number;
}

/** Plays a case on a real switch. Returns what disagreed, for people. */
export async function runOnSwitch(policyCase: PolicyCase, options: RunCaseOptions): Promise<string[]> {
  const { cluster: switches, choose = (probes) => probes, portOf = createSourcePorts() } = options;
  const wrong: string[] = [];
  const open: CaseConversation[] = [];
  let begun: CaseConversation[] = [];
  let cluster = fixtureCluster();
  await switches.become({ nodes: [], namespaces: [], pods: [], policies: [] });
  await switches.forgetConnections();
  for (const [index, step] of policyCase.steps.entries()) {
    cluster = step.changes.reduce(changed, cluster);
    const place = arithmeticPlace(cluster);
    await switches.become(worldOf(cluster, place));
    const complain = (what: string): void => void wrong.push(`${policyCase.id} step ${index + 1}: ${what}`);
    const silent = new Map<string, string>();
    const ask = async ({ title, from, to, question }: CaseConversation, expected: Verdict): Promise<Verdict> => {
      if (expected === "drop") silent.set(`${question.protocol} ${question.sourcePort}`, title);
      return switches.ask(from, to, question, expected === "drop" || expected === "some" ? staysAway : comes);
    };
    const conversations = (ways: readonly Way[]): CaseConversation[] =>
      ways.flatMap((way) => conversationsOf(way, { cluster, place, portOf }));
    const judge = async (probe: Probe): Promise<void> => {
      const tries: Verdict[] = [];
      for (let turn = 0; turn < (probe.expected === "some" ? triesOfSome : 1); turn++)
        tries.push(await ask(conversationOf(probe, { cluster, place, portOf }), probe.expected));
      const seen = togetherSeen(tries);
      if (seen !== probe.expected) complain(`${formatProbe(probe)}: expected ${probe.expected}, seen ${seen}`);
    };

    const probes = choose(probesOf(policyCase, step, cluster));
    const [portless, rest] = parted(probes, ({ protocol }) => protocol === "ip");
    // Of one source port there is one conversation at a time.
    const [alone, others] = parted(rest, ({ sourcePort }) => sourcePort !== undefined);
    const judgeAll = async (some: readonly Probe[]): Promise<void> => {
      const [silentOnes, answered] = parted(some, ({ expected }) => expected === "drop");
      await several(answered, together.answered, judge);
      await several(silentOnes, together.silent, judge);
    };
    await judgeAll(others);
    for (const probe of alone) await judge(probe);
    // Without ports all packets between two addresses are one connection, whoever began.
    for (const some of parted(portless, ({ from, to }) => from < to)) {
      if (some.length === 0) continue;
      await switches.forgetConnections();
      await judgeAll(some);
    }
    for (const { title, from, to, question } of open)
      if (!(await switches.talk(from, to, question, comes))) complain(`the established connection ${title} is cut`);
    for (const { title, from, to, question } of begun)
      if ((await switches.ask(from, to, question, comes)) !== "ok") complain(`the retry of ${title} is dropped`);
    begun = conversations(step.begin ?? []);
    for (const each of begun) if ((await ask(each, "drop")) !== "drop") complain(`${each.title} is not dropped`);
    const opening = conversations(step.open ?? []);
    for (const each of opening) if ((await ask(each, "ok")) !== "ok") complain(`${each.title} cannot be opened`);
    open.push(...opening);
    for (const key of switches.takeStrays().keys()) if (silent.has(key)) complain(`${silent.get(key)}: arrived late`);
  }
  return wrong;
}

function parted<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): readonly [readonly Item[], readonly Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

async function several<Item>(items: readonly Item[], limit: number, use: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await use(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
}
