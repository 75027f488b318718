import { arithmeticPlace } from "./arithmetic-place.ts";
import { type PolicyCase, triesOfSome, type Way } from "./case.ts";
import { type CaseConversation, conversationOf, conversationsOf, createSourcePorts } from "./case-conversations.ts";
import { changed, fixtureCluster } from "./cluster.ts";
import { createMemoryCluster } from "./memory-cluster.ts";
import { worldOf } from "./place.ts";
import { formatProbe, probesOf, togetherSeen } from "./probes.ts";

/** Plays a case on two switches in memory. Returns what disagreed, for people. */
export function runInMemory(policyCase: PolicyCase): string[] {
  const memory = createMemoryCluster();
  let cluster = fixtureCluster();
  const portOf = createSourcePorts();
  const wrong: string[] = [];
  const open: CaseConversation[] = [];
  let begun: CaseConversation[] = [];
  for (const [index, step] of policyCase.steps.entries()) {
    cluster = step.changes.reduce(changed, cluster);
    const place = arithmeticPlace(cluster);
    memory.become(worldOf(cluster, place));
    const complain = (what: string): void => void wrong.push(`${policyCase.id} step ${index + 1}: ${what}\n${memory.explain()}`);
    const conversations = (ways: readonly Way[]): CaseConversation[] =>
      ways.flatMap((way) => conversationsOf(way, { cluster, place, portOf }));

    for (const probe of probesOf(policyCase, step, cluster)) {
      const tries = Array.from({ length: probe.expected === "some" ? triesOfSome : 1 }, () => {
        const { from, to, question } = conversationOf(probe, { cluster, place, portOf });
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
