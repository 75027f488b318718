import type { Action } from "#lib/openflow/action.ts";
import type { Flow } from "#lib/openflow/flow.ts";
import type { Match } from "#lib/openflow/match.ts";
import { cookie } from "../cookie.ts";
import { flow, setRegister, whenRegisters } from "../flow-builder.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import { packetInCategories, shareMeter, toController } from "./categories.ts";

/** Categories of which the agent gets a copy while the packet goes its way. */
export type CopiedCategory = "reject" | "auditLog";

export const copiedCategories: readonly CopiedCategory[] = ["reject", "auditLog"];

const mark = { reject: 0n, auditLog: 1n } as const satisfies Record<CopiedCategory, bigint>;

export interface CopyOptions {
  /** Bound by meters, which must be there: the pod's own, then that of all. */
  readonly metered: boolean;
}

/** Sends a copy of a packet to the agent. What meters take away is the copy alone. */
export function copyToController(pipeline: Pipeline, category: CopiedCategory, { metered }: CopyOptions): Action {
  const hand = toController(category);
  if (!metered) return hand;
  const look: Action = { type: "resubmit", table: pipeline.table("PacketInShares") };
  // The meter of all stands here and not in the controller action, whose meter would not keep Open vSwitch from doing the rest without a copy (`reversible_actions`).
  const all: Action = { type: "meter", meter: packetInCategories[category].meter };
  return { type: "clone", actions: [...(mark[category] === 0n ? [] : [setRegister("forAuditLog", mark[category])]), look, all, hand] };
}

/**
 * The meters of a pod's share of these categories: of what it sends, and of what comes to it from no pod of this node. So a pod that floods spends its own share, and other nodes' pods that of whom
 * they flood.
 */
export function compilePacketInShares(
  pipeline: Pipeline,
  { ofport }: Pick<LocalPort, "ofport">,
  categories: readonly CopiedCategory[] = copiedCategories,
): Flow[] {
  const port = BigInt(ofport);
  return categories.flatMap((category) => {
    const share = (priority: "high" | "normal", match: Match): Flow =>
      flow(pipeline, "PacketInShares", {
        priority,
        cookie: cookie("podConnectivity", ofport),
        match,
        actions: [{ type: "meter", meter: shareMeter(category, ofport) }],
        next: "sent",
      });
    const forAuditLog = mark[category];
    return [
      share("high", { in_port: port, ...whenRegisters({ forAuditLog }) }),
      share("normal", whenRegisters({ forAuditLog, outputPort: port })),
    ];
  });
}
