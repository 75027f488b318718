import type { FlowLedger } from "../flow-ledger.ts";
import { type CopiedCategory, compilePacketInShares, copiedCategories } from "../packet-in/index.ts";
import type { LocalPort } from "../rows.ts";
import type { Pipeline } from "../tables.ts";
import type { LoweredRule } from "./lowered-rule.ts";

/** The pods' shares of what rules hand to the agent, where a rule hands anything over. */
export interface Shares {
  /** A policy's rules came in the place of others. */
  rulesChanged(before: readonly LoweredRule[], after: readonly LoweredRule[]): void;
  /** Writes the flows of these ports, by name, or of all when what rules hand over has changed. */
  compile(changed: Iterable<string>): void;
}

export function createShares(options: {
  readonly pipeline: Pipeline;
  readonly ledger: FlowLedger;
  readonly ports: ReadonlyMap<string, LocalPort>;
}): Shares {
  const { pipeline, ledger, ports } = options;
  const rules: Record<CopiedCategory, number> = { reject: 0, auditLog: 0 };
  const count = (list: readonly LoweredRule[], by: 1 | -1): void => {
    for (const { action, refusing, logged } of list) {
      if (action === "Reject" || refusing) rules.reject += by;
      if (logged !== undefined) rules.auditLog += by;
    }
  };
  /** Of each port that has flows, what they were made of. */
  const written = new Map<string, string>();
  let present = "";
  return {
    rulesChanged(before, after) {
      count(before, -1);
      count(after, 1);
    },
    compile(changed) {
      const categories = copiedCategories.filter((category) => rules[category] > 0);
      const now = categories.join();
      for (const name of now === present ? changed : new Set([...ports.keys(), ...written.keys()])) {
        const port = ports.get(name);
        const wanted = port === undefined || now === "" ? undefined : `${port.ofport} ${now}`;
        if (wanted === written.get(name)) continue;
        ledger.set(`packetIn/${name}`, port === undefined || wanted === undefined ? [] : compilePacketInShares(pipeline, port, categories));
        if (wanted === undefined) written.delete(name);
        else written.set(name, wanted);
      }
      present = now;
    },
  };
}
