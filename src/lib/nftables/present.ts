import { canonicalElement, canonicalType, plainText } from "./canonical.ts";

/** A table as the kernel has it, in what {@link difference} compares. */
export interface PresentTable {
  readonly chains: ReadonlyMap<string, PresentChain>;
  readonly sets: ReadonlyMap<string, PresentSet>;
}

export interface PresentChain {
  /** `type hook priority policy`, empty for a chain without a hook. */
  readonly hook: string;
  readonly rules: readonly PresentRule[];
}

export interface PresentRule {
  /** Empty for a rule without one. */
  readonly comment: string;
  /** What nft prints of it, counters aside: other words than it was given, but the same each time. */
  readonly printed: string;
}

export interface PresentSet {
  readonly kind: "set" | "map";
  readonly definition: string;
  /** Elements as nft printed them, by canonical form. */
  readonly elements: ReadonlyMap<string, unknown>;
}

type Wire = Readonly<Record<string, unknown>>;

/** Reads the output of `nft -j list table`. Total: gives what is wrong in words instead of throwing. */
export function decodePresent(text: string): { readonly value: PresentTable } | { readonly failure: string } {
  let wire: unknown;
  try {
    wire = JSON.parse(text);
  } catch {
    return { failure: "the output is not JSON" };
  }
  const objects = isObject(wire) ? wire.nftables : undefined;
  if (!Array.isArray(objects)) return { failure: "the output has no member nftables" };

  const chains = new Map<string, { hook: string; rules: PresentRule[] }>();
  const sets = new Map<string, PresentSet>();
  for (const object of objects as unknown[]) {
    if (!isObject(object)) return { failure: "an object is none" };
    const { chain, rule, set, map } = object;
    if (isObject(chain)) {
      if (typeof chain.name !== "string") return { failure: "a chain without a name" };
      chains.set(chain.name, { hook: hookOf(chain), rules: [] });
    } else if (isObject(rule)) {
      const owner = chains.get(plainText(rule.chain));
      if (owner === undefined) return { failure: `a rule of chain ${plainText(rule.chain)}, which was not listed` };
      const comment = typeof rule.comment === "string" ? rule.comment : "";
      owner.rules.push({ comment, printed: JSON.stringify(rule.expr, withoutCounts) ?? "" });
    } else if (isObject(set) || isObject(map)) {
      const kind = isObject(set) ? "set" : "map";
      const definition = isObject(set) ? set : (map as Wire);
      if (typeof definition.name !== "string") return { failure: `a ${kind} without a name` };
      sets.set(definition.name, { kind, definition: definitionOf(definition), elements: elementsOf(definition.elem, kind) });
    }
  }
  return { value: { chains, sets } };
}

const withoutCounts = (key: string, value: unknown): unknown => (key === "counter" ? null : value);

const isObject = (wire: unknown): wire is Wire => typeof wire === "object" && wire !== null && !Array.isArray(wire);

function hookOf(chain: Wire): string {
  if (chain.hook === undefined) return "";
  return [chain.type, chain.hook, chain.prio, chain.policy ?? "accept"].map(String).join(" ");
}

function definitionOf(wire: Wire): string {
  return JSON.stringify([canonicalType(wire.type), canonicalType(wire.map), canonicalType(wire.flags ?? [])]);
}

function elementsOf(wire: unknown, kind: "set" | "map"): ReadonlyMap<string, unknown> {
  const elements = Array.isArray(wire) ? wire : wire === undefined ? [] : [wire];
  return new Map(elements.map((element: unknown) => [canonicalElement(element, kind), element]));
}
