import { canonicalElement, canonicalType, markedComment } from "./canonical.ts";
import type { PresentTable } from "./present.ts";
import type { NftChain, NftHook, NftMap, NftSet, NftTable } from "./ruleset.ts";

/** One command of a transaction, libnftables-json(5). */
export type NftCommand = { readonly add: unknown } | { readonly delete: unknown } | { readonly flush: unknown };

type AnySet = { readonly kind: "set"; readonly set: NftSet } | { readonly kind: "map"; readonly set: NftMap };

/** The commands that make `present` into `wanted`, in an order that nft accepts as one transaction. Empty when nothing differs. Pure. */
export function difference(wanted: NftTable, present: PresentTable | undefined): NftCommand[] {
  const { family, name: table } = wanted;
  const at = { family, table };
  const wantedSets = new Map<string, AnySet>([
    ...(wanted.sets ?? []).map((set) => [set.name, { kind: "set", set }] as const),
    ...(wanted.maps ?? []).map((set) => [set.name, { kind: "map", set }] as const),
  ]);
  const wantedChains = new Map(wanted.chains.map((chain) => [chain.name, chain]));
  const presentChains: PresentTable["chains"] = present?.chains ?? new Map();
  const presentSets: PresentTable["sets"] = present?.sets ?? new Map();

  const keptSet = ({ kind, set }: AnySet): boolean => {
    const there = presentSets.get(set.name);
    return there !== undefined && there.kind === kind && there.definition === definitionText({ kind, set } as AnySet);
  };
  const staleSets = [...presentSets].filter(([name]) => {
    const set = wantedSets.get(name);
    return set === undefined || !keptSet(set);
  });
  // Rules that name a set hold it: to take a set away, every chain is emptied and filled again in the same transaction.
  const refillAll = staleSets.length > 0;
  const keptChain = (chain: NftChain): boolean => presentChains.get(chain.name)?.hook === hookText(chain.hook);
  const keptRules = (chain: NftChain): boolean =>
    !refillAll &&
    keptChain(chain) &&
    sameTexts(
      (presentChains.get(chain.name)?.rules ?? []).map(({ comment }) => comment),
      chain.rules.map(markedComment),
    );
  const staleChains = [...presentChains.keys()].filter((name) => {
    const chain = wantedChains.get(name);
    return chain === undefined || !keptChain(chain);
  });
  const refilled = wanted.chains.filter((chain) => !keptRules(chain));
  const changes = [...wantedSets.values()]
    .filter(keptSet)
    .map((set) => elementChanges(set, presentSets.get(set.set.name)?.elements ?? new Map()));

  return [
    ...(present === undefined ? [{ add: { table: { family, name: table } } }] : []),
    ...[...new Set([...staleChains, ...refilled.map(({ name }) => name)])]
      .filter((name) => presentChains.has(name))
      .map((name) => ({ flush: { chain: { ...at, name } } })),
    ...changes.flatMap(({ name, gone }) => (gone.length === 0 ? [] : [{ delete: { element: { ...at, name, elem: gone } } }])),
    // Before the chains: the verdicts of a map hold the chains that they jump to.
    ...staleSets.map(([name, { kind }]) => ({ delete: { [kind]: { ...at, name } } })),
    ...staleChains.map((name) => ({ delete: { chain: { ...at, name } } })),
    ...wanted.chains
      .filter((chain) => !keptChain(chain))
      .map((chain) => ({ add: { chain: { ...at, name: chain.name, ...hookMembers(chain.hook) } } })),
    ...[...wantedSets.values()].filter((set) => !keptSet(set)).map(({ kind, set }) => ({ add: { [kind]: { ...at, ...setMembers(set) } } })),
    ...changes.flatMap(({ name, added }) => (added.length === 0 ? [] : [{ add: { element: { ...at, name, elem: added } } }])),
    ...refilled.flatMap((chain) =>
      chain.rules.map((rule) => ({ add: { rule: { ...at, chain: chain.name, comment: markedComment(rule), expr: rule.expr } } })),
    ),
  ];
}

function elementChanges({ kind, set }: AnySet, present: ReadonlyMap<string, unknown>) {
  const wanted = new Map((set.elements as readonly unknown[]).map((element) => [canonicalElement(element, kind), element]));
  return {
    name: set.name,
    gone: [...present].filter(([text]) => !wanted.has(text)).map(([, element]) => element),
    added: [...wanted].filter(([text]) => !present.has(text)).map(([, element]) => element),
  };
}

function setMembers(set: NftSet | NftMap): object {
  const { name, type, flags, elements } = set;
  return {
    name,
    type,
    ...("map" in set ? { map: set.map } : {}),
    ...(flags === undefined || flags.length === 0 ? {} : { flags }),
    ...(elements.length === 0 ? {} : { elem: elements }),
  };
}

function definitionText({ kind, set }: AnySet): string {
  return JSON.stringify([canonicalType(set.type), canonicalType(kind === "map" ? set.map : undefined), canonicalType(set.flags ?? [])]);
}

function hookMembers(hook: NftHook | undefined): object {
  if (hook === undefined) return {};
  const { type, hook: where, priority, policy = "accept", device } = hook;
  return { type, hook: where, prio: priority, policy, ...(device === undefined ? {} : { dev: device }) };
}

/** nft 1.0 does not print the device of an egress hook, so it is not compared: a chain's name has to tell its device. */
function hookText(hook: NftHook | undefined): string {
  return hook === undefined ? "" : [hook.type, hook.hook, hook.priority, hook.policy ?? "accept"].join(" ");
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
