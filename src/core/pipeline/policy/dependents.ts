import type { Flow, Match } from "#lib/openflow/flow.ts";
import { type RegisterName, registers } from "../registers.ts";
import type { Pipeline } from "../tables.ts";
import type { LayerName } from "./layers.ts";
import type { Profile, Segment } from "./profile.ts";
import type { PolicySide } from "./sides.ts";

/** What is not as policies say while the switch lacks some of their flows. */
export interface Dependents {
  /** Ports (interface names) for which more would pass than policies say. */
  readonly opened: Set<string>;
  /** UIDs of policies that are not enforced as written. */
  readonly policies: Set<string>;
}

export interface DependentsOptions {
  readonly pipeline: Pipeline;
  readonly side: PolicySide;
  readonly profiles: Readonly<Record<LayerName, Iterable<Profile>>>;
  readonly doorOf: (segment: Segment) => number | undefined;
  /** The interface whose own flow this is. */
  readonly portOf: (flow: Flow) => string | undefined;
}

/**
 * What depends on flows of one direction. What only admits is missed by nobody but whom it would admit: a packet without it meets what comes behind, and nothing there admits more.
 * Without what denies, passes on, leads from one lookup to the next, or is an exception, packets go on to what they were to be kept from.
 */
export function dependentsOf(options: DependentsOptions, flows: Iterable<Flow>): Dependents {
  const { pipeline, side, profiles, doorOf, portOf } = options;
  const found: Dependents = { opened: new Set(), policies: new Set() };
  const add = ({ ports, rules }: Profile, opens: boolean): void => {
    if (opens) for (const name of ports) found.opened.add(name);
    for (const key of rules.keys()) found.policies.add(key.slice(0, key.indexOf("/")));
  };
  /** By page: whether a block is missing there; addresses are members, which only rules in order are about when they deny. */
  const pages = new Map<number, { readonly blocks: boolean }>();
  const segments = new Map<number, { readonly opens: boolean }>();
  const note = <Value>(into: Map<number, Value>, number: number | undefined, merge: (before: Value | undefined) => Value): void => {
    if (number !== undefined) into.set(number, merge(into.get(number)));
  };
  for (const flow of flows) {
    const table = pipeline.nameOf(flow.table);
    if (table === side.classifier) {
      const port = portOf(flow);
      if (port === undefined) continue;
      // Without its flow a pod is closed already.
      for (const each of Object.values(profiles)) for (const profile of each) if (profile.ports.has(port)) add(profile, false);
    } else if (table === side.members || table === side.prefixes)
      note(pages, registerIn(flow.match, "page"), (before) => ({ blocks: before?.blocks === true || table === side.prefixes }));
    else if (table === side.tierRule || table === side.rule || table === side.defaultRule)
      note(segments, registerIn(flow.match, table === side.tierRule ? "tierProfile" : "profile"), (before) => ({
        opens: before?.opens === true || !isHarmless(side, flow),
      }));
  }
  if (pages.size + segments.size === 0) return found;
  for (const [layer, each] of Object.entries(profiles))
    for (const profile of each)
      for (const segment of profile.segments) {
        const page = pages.get(segment.page.id);
        if (page !== undefined) add(profile, page.blocks || layer !== "kubernetes");
        for (const number of [segment.id, doorOf(segment)]) {
          const lacks = number === undefined ? undefined : segments.get(number);
          if (lacks !== undefined) add(profile, lacks.opens);
        }
      }
  return found;
}

/** A flow of a rule that allows, or of one that is staged. */
function isHarmless({ ruleRegister, stagedRegister }: PolicySide, { match, actions }: Flow): boolean {
  if (registerIn(match, stagedRegister) !== undefined) return true;
  const { field } = registers[ruleRegister];
  return actions.some((action) => action.type === "set_field" && action.field === field);
}

/** The value that a match asks of a register field; undefined when it does not ask for all of its bits. */
function registerIn(match: Match, name: RegisterName): number | undefined {
  const { field, offset, bits } = registers[name];
  const found = match[field];
  if (found === undefined) return undefined;
  const { value, mask } = typeof found === "bigint" ? { value: found, mask: wholeRegister } : found;
  const own = ((1n << BigInt(bits)) - 1n) << BigInt(offset);
  return (mask & own) === own ? Number((value & own) >> BigInt(offset)) : undefined;
}

const wholeRegister = 0xffff_ffffn;
