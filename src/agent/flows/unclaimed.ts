import { sameGroup } from "#core/pipeline/group-ledger.ts";
import { type Flow, flowKey, sameContent } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";

/**
 * What the switch held when we connected and nobody has wanted so far. Rows that come later claim theirs, which then need no change; what is left
 * when everything that should exist is known has to go.
 */
export interface Unclaimed {
  keepFlow(flow: Flow): void;
  keepGroup(group: Group): void;
  forgetFlow(key: string): void;
  /** Those that are going to be removed. */
  forgetFlows(gone: readonly Flow[]): void;
  /** Whether the flow is there already, as wanted. It is claimed either way. */
  claimFlow(flow: Flow): boolean;
  claimGroup(group: Group): boolean;
  /** What is left; it is forgotten. */
  take(): { readonly flows: readonly Flow[]; readonly groups: readonly Group[] };
}

export function createUnclaimed(): Unclaimed {
  const flows = new Map<string, Flow>();
  const groups = new Map<number, Group>();
  return {
    keepFlow: (flow) => void flows.set(flowKey(flow), flow),
    keepGroup: (group) => void groups.set(group.group, group),
    forgetFlow: (key) => void flows.delete(key),
    forgetFlows(gone) {
      if (flows.size > 0) for (const flow of gone) flows.delete(flowKey(flow));
    },
    claimFlow(flow) {
      if (flows.size === 0) return false;
      const key = flowKey(flow);
      const there = flows.get(key);
      flows.delete(key);
      return there !== undefined && sameContent(there, flow);
    },
    claimGroup(group) {
      const there = groups.get(group.group);
      groups.delete(group.group);
      return there !== undefined && sameGroup(there, group);
    },
    take() {
      const left = { flows: [...flows.values()], groups: [...groups.values()] };
      flows.clear();
      groups.clear();
      return left;
    },
  };
}
