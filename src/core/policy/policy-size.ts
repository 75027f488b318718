import type { LoweredPolicy } from "./lowered-policy.ts";

/** Parts from which on a policy is one to know of: where such policies are many or change often, they are what a controller and its agents spend their time on. */
export const largeFrom = 1_000;

/** Parts of a policy as it is computed: subjects, rules, and in each its subjects, peers, blocks with their exceptions, names, Services and ports. */
export function partsOf({ appliedTo, rules }: LoweredPolicy): number {
  let parts = appliedTo.length + rules.length;
  for (const { peers, ipBlocks, fqdns = [], toServices = [], services, appliedTo: subjects } of rules) {
    parts += peers.length + ipBlocks.length + fqdns.length + toServices.length + services.length + subjects.length;
    for (const { except } of ipBlocks) parts += except.length;
  }
  return parts;
}
