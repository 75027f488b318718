import type { CountedRule } from "./compiler.ts";
import type { LoweredPolicy, LoweredRule } from "./lowered-rule.ts";
import type { RuleIds } from "./rule-ids.ts";

/** Rules that went and are still named: the switch tells what their flows counted after that. More than a policy has that is replaced whole. */
const formerAtMost = 16_384;

/** Whose rule a number is, for those who count. */
export interface RuleNames {
  find(ruleId: number): CountedRule | undefined;
  /** A rule is about to go. */
  remember(policy: LoweredPolicy, rule: LoweredRule): void;
}

export function createRuleNames(options: {
  readonly ruleIds: Pick<RuleIds, "keyOf" | "idOf">;
  readonly policies: ReadonlyMap<string, LoweredPolicy>;
}): RuleNames {
  const { ruleIds, policies } = options;
  const former = new Map<number, CountedRule>();
  /** Made when a policy is first asked for: most never are. */
  const rulesByKey = new WeakMap<LoweredPolicy, ReadonlyMap<string, LoweredRule>>();
  const rulesOf = (policy: LoweredPolicy): ReadonlyMap<string, LoweredRule> => {
    const known = rulesByKey.get(policy) ?? new Map(policy.rules.map((rule) => [rule.key, rule]));
    rulesByKey.set(policy, known);
    return known;
  };
  return {
    find(ruleId) {
      const key = ruleIds.keyOf(ruleId);
      const policy = key === undefined ? undefined : policies.get(key.slice(0, key.indexOf("/")));
      const rule = policy === undefined ? undefined : rulesOf(policy).get(key ?? "");
      return policy === undefined || rule === undefined ? former.get(ruleId) : counted(policy, rule, true);
    },
    remember(policy, rule) {
      // Also of one that was never compiled here: an earlier process may have, and the switch still counts for it.
      const ruleId = ruleIds.idOf(rule.key);
      former.delete(ruleId);
      former.set(ruleId, counted(policy, rule, false));
      const [oldest] = former.keys();
      if (former.size > formerAtMost && oldest !== undefined) former.delete(oldest);
    },
  };
}

const counted = ({ source, refusing }: LoweredPolicy, { name, action }: LoweredRule, present: boolean): CountedRule => ({
  policy: source,
  ...(name === undefined ? {} : { rule: name }),
  action,
  present,
  refusing: refusing === true,
});
