import { describeChange } from "#lib/openflow/bundle.ts";
import { type BundledChange, ChangesRefused, type OpenFlowConnection } from "#lib/openflow/connection.ts";
import { type Flow, flowKey } from "#lib/openflow/flow.ts";
import type { Group } from "#lib/openflow/group.ts";
import type { Clock, Logger } from "#lib/runtime/index.ts";

/** A flow that should be in the switch and is not, because the switch refused it. It is tried again, and blocks nothing else. */
export interface RefusedFlow {
  readonly flow: Flow;
  readonly reason: string;
}

/** A batch of changes that the switch dealt with, and how long it took. */
export interface FlowOperations {
  readonly added: number;
  readonly deleted: number;
  readonly refused: number;
  readonly milliseconds: number;
}

/** Changes of flows and groups together. */
export interface SwitchChanges {
  readonly add: readonly Flow[];
  readonly remove: readonly Flow[];
  readonly put?: readonly Group[];
  readonly removeGroups?: readonly number[];
  /** The flows are in the order of a ledger's change already, which must be kept. */
  readonly ordered?: true;
}

/** Writes to the switch, and remembers what it refused. */
export interface SwitchWriter {
  /**
   * Makes the changes in an order in which what is referenced comes first: groups, flows by descending table; then what goes, flows by ascending
   * table, groups. What is refused is noted, and the rest is made without it.
   */
  write(connection: Pick<OpenFlowConnection, "change">, changes: SwitchChanges): Promise<void>;
  /**
   * Makes what a broken connection did not acknowledge of the last changes, in their order. The bundle of which no acknowledgement came is made again: where it was, that
   * changes nothing.
   */
  resume(connection: Pick<OpenFlowConnection, "change">): Promise<void>;
  readonly refusedFlows: Map<string, RefusedFlow>;
  /** By group number, why the switch refused it. */
  readonly refusedGroups: Map<number, string>;
}

/** So often the refused change is taken out of its bundle and the rest tried again, before halves are. */
const singleRefusals = 8;

/** Refused changes in one line of the log. */
const toldAtOnce = 5;

export function createSwitchWriter(options: {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onChanges?: ((operations: FlowOperations) => void) | undefined;
}): SwitchWriter {
  const { clock, logger, onChanges } = options;
  const refusedFlows = new Map<string, RefusedFlow>();
  const refusedGroups = new Map<number, string>();
  /** What the switch has not acknowledged of the last changes. */
  let unfinished = (): readonly BundledChange[] => [];
  const note = (change: BundledChange, reason: string): void => {
    if ("flow" in change && change.command === "add") refusedFlows.set(flowKey(change.flow), { flow: change.flow, reason });
    if ("group" in change && typeof change.group === "object") refusedGroups.set(change.group.group, reason);
  };
  /**
   * Makes the changes that the switch accepts, and gives those back. It names one refused change of a bundle at a time: where there are many, as
   * when a table is full, halves are tried on their own.
   */
  const makeAcceptable = async (
    connection: Pick<OpenFlowConnection, "change">,
    changes: readonly BundledChange[],
    { refuse, refusals, later }: Attempt,
  ): Promise<readonly BundledChange[]> => {
    if (changes.length === 0) return [];
    let committed = 0;
    unfinished = () => [...changes.slice(committed), ...later];
    const onCommitted = (count: number): void => {
      committed = count;
    };
    try {
      await connection.change(changes, { onCommitted });
      return changes;
    } catch (error) {
      if (!(error instanceof ChangesRefused)) throw error;
      const bad = new Set<unknown>(error.refused.map(({ change }) => change));
      for (const { change, reason } of error.refused) refuse(change as BundledChange, reason);
      const rest = changes.filter((change) => !bad.has(change));
      if (rest.length === changes.length) throw error;
      if (refusals < singleRefusals) return makeAcceptable(connection, rest, { refuse, refusals: refusals + 1, later });
      const middle = Math.ceil(rest.length / 2);
      const second = rest.slice(middle);
      const first = await makeAcceptable(connection, rest.slice(0, middle), { refuse, refusals, later: [...second, ...later] });
      return [...first, ...(await makeAcceptable(connection, second, { refuse, refusals, later }))];
    }
  };
  const forget = ({ add, remove, put = [], removeGroups = [] }: SwitchChanges): void => {
    if (refusedFlows.size > 0) for (const flow of [...add, ...remove]) refusedFlows.delete(flowKey(flow));
    if (refusedGroups.size > 0) for (const number of [...put.map(({ group }) => group), ...removeGroups]) refusedGroups.delete(number);
  };
  const make = async (connection: Pick<OpenFlowConnection, "change">, changes: readonly BundledChange[]): Promise<void> => {
    const before = clock.monotonic();
    const told: { readonly change: BundledChange; readonly reason: string }[] = [];
    const refuse = (change: BundledChange, reason: string): void => {
      told.push({ change, reason });
      note(change, reason);
    };
    const left = await makeAcceptable(connection, changes, { refuse, refusals: 0, later: [] });
    unfinished = () => [];
    const refused = changes.length - left.length;
    if (refused > 0) {
      const first = told.slice(0, toldAtOnce).map(({ change, reason }) => ({ change: describeChange(change), reason }));
      logger.error("the switch refused changes", { count: refused, first });
    }
    const added = left.filter((change) => "flow" in change && change.command === "add").length;
    const deleted = left.filter((change) => "flow" in change && change.command !== "add").length;
    if (added + deleted + refused > 0) onChanges?.({ added, deleted, refused, milliseconds: clock.monotonic() - before });
  };
  return {
    refusedFlows,
    refusedGroups,
    write(connection, changes) {
      forget(changes);
      return make(connection, inOrder(changes));
    },
    resume: (connection) => make(connection, unfinished()),
  };
}

/** How a part of some changes is made. */
interface Attempt {
  readonly refuse: (change: BundledChange, reason: string) => void;
  readonly refusals: number;
  /** What comes behind this part. */
  readonly later: readonly BundledChange[];
}

function inOrder({ add, remove, put = [], removeGroups = [], ordered }: SwitchChanges): BundledChange[] {
  const adds = ordered ? add : add.toSorted((one, other) => other.table - one.table);
  const removes = ordered ? remove : remove.toSorted((one, other) => one.table - other.table);
  return [
    ...put.map((group): BundledChange => ({ command: "add_or_modify", group })),
    ...adds.map((flow): BundledChange => ({ command: "add", flow })),
    ...removes.map((flow): BundledChange => ({ command: "delete_strict", flow })),
    ...removeGroups.map((group): BundledChange => ({ command: "delete", group })),
  ];
}
