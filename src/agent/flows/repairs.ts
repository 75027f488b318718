import type { PartOfTable } from "#core/pipeline/flow-ledger.ts";
import { ChangesRefused } from "#lib/openflow/connection.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import { formatFlow } from "#lib/openflow/flow-text.ts";
import type { Group } from "#lib/openflow/group.ts";
import { errorMessage, type Logger } from "#lib/runtime/index.ts";
import type { DriftLog } from "../drift.ts";
import { compareFlows, compareGroups, type Difference, isLacking, tellDrift } from "./compare.ts";
import type { Desired, Write } from "./desired.ts";
import type { FlowTarget } from "./flow-target.ts";
import { compareMeters, meterChange } from "./meters.ts";
import { pagesOf } from "./read-switch.ts";
import { judge, type Suspects } from "./suspects.ts";
import type { SwitchWriter } from "./switch-writer.ts";
import type { Unclaimed } from "./unclaimed.ts";

/** Finds what others changed, and makes it right. */
export interface Repairs {
  /** Repairs what was found, and tells it. */
  repair(connection: FlowTarget, flows: readonly Difference<Flow>[], groups: readonly Difference<Group>[]): Promise<void>;
  /** Makes the meters those that flows use; unknown ones stay until all is known, as flows of an earlier run may use them. */
  keepMeters(connection: FlowTarget): Promise<void>;
  /** Compares one page, when nothing else is going on; a change in the meantime makes the comparison void. */
  auditPage(connection: FlowTarget, page: PartOfTable): Promise<void>;
  auditGroups(connection: FlowTarget): Promise<void>;
  /** Looks into what the switch told of changes by others. */
  checkSuspects(connection: FlowTarget, suspects: Suspects, unclaimed: Unclaimed): Promise<void>;
}

export interface RepairsOptions {
  readonly desired: Desired;
  readonly write: Write;
  readonly refused: Pick<SwitchWriter, "refusedFlows" | "refusedGroups">;
  readonly drift: DriftLog;
  readonly logger: Logger;
  /** Tables that hold flows of ours. */
  readonly tables: readonly number[];
  /** Tables whose flows the switch learns by itself. */
  readonly learned: readonly number[];
  /** Hears that meters change. */
  readonly onMeters: () => void;
}

export function createRepairs(options: RepairsOptions): Repairs {
  const { desired, write, refused, drift, logger, tables, learned, onMeters } = options;
  const { ledger, groups } = desired;

  const repair: Repairs["repair"] = async (connection, flows, found) => {
    const wrongFlows = flows.filter(({ finding, item }) =>
      finding === "unknown" ? desired.knowsAll : !refused.refusedFlows.has(flowKey(item)),
    );
    const wrongGroups = found.filter(({ finding, item }) =>
      finding === "unknown" ? desired.knowsAll : !refused.refusedGroups.has(item.group),
    );
    tellDrift(drift, "flow", wrongFlows, formatFlow);
    tellDrift(drift, "group", wrongGroups, ({ group }) => String(group));
    const [lacking, surplus] = [wrongFlows.filter(isLacking), wrongFlows.filter((each) => !isLacking(each))];
    await write(connection, {
      add: lacking.map(({ item }) => item),
      remove: surplus.map(({ item }) => item),
      put: wrongGroups.filter(isLacking).map(({ item }) => item),
      removeGroups: wrongGroups.filter((each) => !isLacking(each)).map(({ item }) => item.group),
    });
  };
  const keepMeters = async (connection: FlowTarget): Promise<void> => {
    const differences = compareMeters(desired.meters, await connection.dumpMeters()).filter(
      ({ finding }) => finding !== "unknown" || desired.knowsAll,
    );
    if (differences.length === 0) return;
    if (desired.swept) tellDrift(drift, "meter", differences, ({ meter }) => String(meter));
    onMeters();
    try {
      await connection.meters(differences.map(meterChange));
    } catch (error) {
      // A datapath may have none: the flows that name them are refused, and told, each for itself.
      if (!(error instanceof ChangesRefused)) throw error;
      logger.error("the switch refuses meters", { error: errorMessage(error) });
    }
  };
  const auditPage = async (connection: FlowTarget, page: PartOfTable): Promise<void> => {
    if (desired.changed || !desired.knowsAll) return;
    const flows = await compareFlows({ ledger, present: connection.dumpFlows(page), within: page });
    if (!desired.changed) await repair(connection, flows, []);
  };
  const auditGroups = async (connection: FlowTarget): Promise<void> => {
    if (desired.changed || !desired.knowsAll) return;
    const present = await connection.dumpGroups();
    if (desired.changed) return;
    await repair(connection, [], compareGroups(groups, present));
  };
  const auditAll = async (connection: FlowTarget): Promise<void> => {
    // Flows that name a meter are refused while it is missing.
    await keepMeters(connection);
    for (const page of await pagesOf(connection, { without: learned, ours: tables })) await auditPage(connection, page);
    await auditGroups(connection);
  };

  return {
    repair,
    keepMeters,
    auditPage,
    auditGroups,
    async checkSuspects(connection, suspects, unclaimed) {
      const { tooMany, groupsOrMeters, flows } = suspects.take();
      if (tooMany) return auditAll(connection);
      if (!desired.knowsAll) {
        // Who wants a flow is not known yet: the switch just holds something else than when we connected.
        for (const { key, flow } of flows)
          if (flow === undefined) unclaimed.forgetFlow(key);
          else if (ledger.get(key) === undefined) unclaimed.keepFlow(flow);
      }
      const wrong = flows.flatMap((suspect) => judge(ledger, suspect));
      // A flow goes with a group it leads to, and cannot come back before it.
      const mayLackGroup = wrong.some(({ item }) => item.actions.some(({ type }) => type === "group"));
      const found = groupsOrMeters || mayLackGroup ? compareGroups(groups, await connection.dumpGroups()) : [];
      // Nobody tells when Open vSwitch forgets all of a bridge, as on a change of its fail_mode: meters went with the flows.
      if (groupsOrMeters || wrong.some(({ finding }) => finding === "missing")) await keepMeters(connection);
      await repair(connection, wrong, found);
    },
  };
}
