import type { PolicyCase } from "#core/policy/cases/case.ts";
import { orderedCases, policyCases } from "#core/policy/cases/catalogue.ts";
import type { Probe } from "#core/policy/cases/probes.ts";

/** Of each kind of probe of a step: what a slow machine has time for. */
const ofEachKind = 4;

export const everyProbe = (probes: readonly Probe[]): readonly Probe[] => probes;

/** A few of each kind, from the first to the last: by service, family, and what they find. */
export function someProbes(probes: readonly Probe[]): readonly Probe[] {
  const kinds = Map.groupBy(probes, ({ protocol, port, family, expected }) => `${protocol} ${port} ${family} ${expected}`);
  return [...kinds.values()].flatMap((kind) => kind.filter((_, index) => index % Math.ceil(kind.length / ofEachKind) === 0));
}

/** Of each section the first case, and every one over SCTP: the datapath in user space cannot play those. */
export const standsForItsSection = (policyCase: PolicyCase): boolean => first.has(policyCase) || usesSctp(policyCase);

const sectionOf = ({ id }: PolicyCase): string => /^[A-Z]\.\d+/.exec(id)?.[0] ?? id;
const first = new Set([...Map.groupBy([...policyCases, ...orderedCases], sectionOf).values()].flatMap((section) => section.slice(0, 1)));
const usesSctp = ({ steps, services = [] }: PolicyCase): boolean =>
  [...services, ...steps.flatMap(({ expect }) => expect.map((row) => row[2]))].some((service) => service.includes("sctp"));
