import type { Action } from "../action.ts";
import { type FieldName, fields } from "../fields.ts";
import type { Flow } from "../flow.ts";
import { lackingPrerequisites, type MatchTerm, matchTerms, prerequisitesOf } from "../match.ts";
import { Refusal } from "./refusal.ts";

/** What actions may lead to. */
export interface PresentRules {
  readonly tableCount: number;
  hasGroup(number: number): boolean;
  hasMeter(number: number): boolean;
}

/** By the number of tables that there were: frozen flows which nothing that comes and goes can make wrong. */
const passed = new WeakMap<Flow, number>();

/** Throws {@link Refusal} for a flow that OpenFlow would refuse. Gives the terms of its match where they had to be made: the same flow goes to many switches. */
export function checkFlow(flow: Flow, present: PresentRules): readonly MatchTerm[] | undefined {
  if (passed.get(flow) === present.tableCount) return undefined;
  const terms = matchTerms(flow.match);
  checkTerms(flow, terms, present);
  if (Object.isFrozen(flow) && !flow.actions.some(needsOthers)) passed.set(flow, present.tableCount);
  return terms;
}

/** Groups and meters may be gone by the next time. */
const needsOthers = (action: Action): boolean =>
  action.type === "group" ||
  action.type === "meter" ||
  ((action.type === "clone" || action.type === "write_actions") && action.actions.some(needsOthers));

function checkTerms(flow: Flow, terms: readonly MatchTerm[], present: PresentRules): void {
  if (flow.table >= present.tableCount) throw new Refusal("OFPFMFC_BAD_TABLE_ID");
  if ((flow.unknownFields?.length ?? 0) > 0) throw new Refusal("OFPBMC_BAD_FIELD");
  if (lackingPrerequisites(terms).length > 0) throw new Refusal("OFPBMC_BAD_PREREQ");
  checkActions(flow.actions, { flow, terms, present });
}

/** As {@link checkFlow} for what a bucket does to packets of which nothing is known. */
export function checkBucketActions(actions: readonly Action[], present: PresentRules): void {
  checkActions(actions, { flow: undefined, terms: [], present });
}

interface Surroundings {
  /** Undefined in a group's bucket: what the packet is cannot be known there. */
  readonly flow: Flow | undefined;
  /** What the flow matches. */
  readonly terms: readonly MatchTerm[];
  readonly present: PresentRules;
}

function checkActions(actions: readonly Action[], around: Surroundings): void {
  for (const action of actions) checkAction(action, around);
}

function checkAction(action: Action, around: Surroundings): void {
  const { flow, present } = around;
  switch (action.type) {
    case "unknown":
      throw new Refusal(action.layer === "instruction" ? "OFPBIC_UNKNOWN_INST" : "OFPBAC_BAD_TYPE");
    case "group":
      if (!present.hasGroup(action.group)) throw new Refusal("OFPBAC_BAD_OUT_GROUP");
      return;
    case "meter":
      if (!present.hasMeter(action.meter)) throw new Refusal("OFPMMFC_INVALID_METER");
      return;
    case "goto_table":
      if (action.table <= (flow?.table ?? -1) || action.table >= present.tableCount) throw new Refusal("OFPBIC_BAD_TABLE_ID");
      return;
    case "set_field":
      checkWritable(action.field, around);
      return;
    case "load":
      checkWritable(action.destination.field, around);
      return;
    case "move":
      for (const { field } of [action.source, action.destination]) checkHeld(field, around);
      return;
    case "ct":
      checkHeld("ip_proto", around);
      return;
    case "clone":
    case "write_actions":
      checkActions(action.actions, around);
      return;
  }
}

function checkWritable(field: FieldName, around: Surroundings): void {
  if (around.flow !== undefined && !fields[field].writable) throw new Refusal("OFPBAC_BAD_SET_ARGUMENT");
  checkHeld(field, around);
}

/** The match says that the packet has the field. */
function checkHeld(field: FieldName, around: Surroundings): void {
  const { flow } = around;
  if (flow === undefined) return;
  const held = prerequisitesOf(fields[field]).every(({ needs, permitted }) =>
    around.terms.some((term) => term.field === needs && term.mask === needs.allOnes && permitted.includes(term.value)),
  );
  if (!held) throw new Refusal("OFPBAC_MATCH_INCONSISTENT");
}
