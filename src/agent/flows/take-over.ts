import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import { compareFlows, compareGroups, isLacking } from "./compare.ts";
import type { Desired, Write } from "./desired.ts";
import type { FlowTarget } from "./flow-target.ts";
import { pagesOf, readPages } from "./read-switch.ts";
import type { Unclaimed } from "./unclaimed.ts";

/**
 * What the switch holds from before, from the moment that we connect until everything that should exist is known: what is right stays, what nobody wants so far is
 * kept, and flows of another layout go on carrying packets until ours can take their place.
 */
export interface TakeOver {
  /** The table by which packets enter is left as it is until everything behind it is there. */
  readonly waits: boolean;
  /** Of these flows those that may be touched by now. */
  permitted(flows: readonly Flow[]): readonly Flow[];
  /** The first comparison of a connection. What nobody wants so far is kept in `unclaimed`. */
  compareFirst(connection: FlowTarget, unclaimed: Unclaimed): Promise<void>;
  /** Everything that should exist is known and in force: packets take it, and what is left has to go. */
  finish(connection: FlowTarget, unclaimed: Unclaimed): Promise<void>;
}

export interface TakeOverOptions {
  readonly desired: Desired;
  readonly write: Write;
  readonly logger: Logger;
  /** The learned tables' flows are the switch's own. */
  readonly learned: readonly number[];
  /** The table by which packets enter, where the switch has flows of another layout. */
  readonly entersBy?: number | undefined;
  /** Resolves when the switch has nothing cached from before the call. */
  readonly cacheFresh?: (() => Promise<void>) | undefined;
}

export function createTakeOver({ desired, write, logger, learned, entersBy, cacheFresh }: TakeOverOptions): TakeOver {
  const { ledger, groups } = desired;
  let held = entersBy;

  /** Everything is there that packets may come to: they go there from now on, and nowhere else. */
  const enter = async (connection: FlowTarget, table: number, unclaimed: Unclaimed): Promise<void> => {
    const wrong = await compareFlows({ ledger, present: connection.dumpFlows({ table }), within: { table, cookie: 0n, cookieMask: 0n } });
    const [lacking, surplus] = [wrong.filter(isLacking), wrong.filter((each) => !isLacking(each))];
    for (const { item } of wrong) unclaimed.forgetFlow(flowKey(item));
    held = undefined;
    logger.info("packets take the new flows", { added: lacking.length, removed: surplus.length });
    await write(connection, { add: lacking.map(({ item }) => item), remove: surplus.map(({ item }) => item) });
    // What is on its way by the old flows, and the ways that the switch remembers, need them a little longer. Who cannot tell does not keep them.
    await cacheFresh?.().catch((error: unknown) => logger.warn("cannot wait for the old flows' end", { error: errorMessage(error) }));
  };

  return {
    get waits() {
      return held !== undefined;
    },
    permitted: (flows) => (held === undefined ? flows : flows.filter(({ table }) => table !== held)),
    async compareFirst(connection, unclaimed) {
      // From here on the ledgers are what is compared with; what changes meanwhile is a change of its own.
      ledger.takeChange();
      groups.takeChange();
      const found = compareGroups(groups, await connection.dumpGroups());
      const flows = await compareFlows({ ledger, present: readPages(connection, await pagesOf(connection, { without: learned })) });
      for (const { finding, item } of flows) if (finding === "unknown") unclaimed.keepFlow(item);
      for (const { finding, item } of found) if (finding === "unknown") unclaimed.keepGroup(item);
      const add = flows.filter(isLacking).map(({ item }) => item);
      logger.info("compared the switch with the desired flows", { desired: ledger.size, changes: add.length });
      await write(connection, { add, remove: [], put: found.filter(isLacking).map(({ item }) => item) });
    },
    async finish(connection, unclaimed) {
      if (held !== undefined) await enter(connection, held, unclaimed);
      const left = unclaimed.take();
      const remove = left.flows.filter((flow) => ledger.get(flowKey(flow)) === undefined);
      const removeGroups = left.groups.map(({ group }) => group).filter((number) => groups.get(number) === undefined);
      logger.info("removing flows that nobody wants", { flows: remove.length, groups: removeGroups.length });
      await write(connection, { add: [], remove, removeGroups });
    },
  };
}
