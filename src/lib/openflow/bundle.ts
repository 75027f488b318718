import { Writer } from "#lib/bytes/index.ts";
import { errorMessage } from "#lib/runtime/index.ts";
import type { Channel } from "./channel.ts";
import { errorName } from "./error-names.ts";
import { ChangesRefused, OpenFlowError, type RefusedChange } from "./errors.ts";
import { formatFlow } from "./flow-text.ts";
import type { FlowMod } from "./flow.ts";
import type { GroupMod } from "./group.ts";
import { bundleControl, writeBundleAdd, writeBundleControl } from "./messages/bundle.ts";
import { writeFlowMod } from "./messages/flow-mod.ts";
import { writeGroupMod } from "./messages/group-mod.ts";
import { writeMeterMod } from "./messages/meter-mod.ts";
import type { MeterMod } from "./meter.ts";

/** What may stand in a bundle. */
export type BundledChange = FlowMod | GroupMod;

export type SwitchChange = BundledChange | { readonly command: MeterMod["command"]; readonly meterMod: MeterMod };

/**
 * Changes per bundle. Committing stops vswitchd's main thread, which on the netdev datapath also forwards: 1 000 changes take it 3 to 7 ms, in which
 * a port's buffer holds what 20 000 packets a second bring; one bundle of 100 000 lost packets at 5 000 a second. Larger bundles are slower
 * besides, as the switch keeps each message until the commit.
 */
export const bundleLimit = 1_000;

/** Bytes that a change takes on average, to size the first buffer. */
const typicalBytes = 256;

/**
 * Makes `changes` in order, in bundles of at most {@link bundleLimit}, each all or nothing, and resolves when the switch has committed all.
 * While one bundle is committed the next has been sent whole, so that the switch never waits for us. Rejects with {@link ChangesRefused} naming
 * what was refused: the bundles before it are done, its own and later ones are not.
 */
export async function applyBundles(
  channel: Channel,
  changes: readonly BundledChange[],
  { onCommitted }: { readonly onCommitted?: (count: number) => void } = {},
): Promise<void> {
  // One change is all or nothing by itself, and takes half the time without a bundle.
  if (changes.length === 1) return applyEach(channel, changes);
  const staged: StagedBundle[] = [];
  let next = 0;
  let bundlesCommitted = 0;
  const stageNext = (): void => {
    if (next >= changes.length) return;
    const bundle = stage(channel, changes.slice(next, next + bundleLimit));
    // Whoever awaits it hears of a failure; until then it is not unhandled.
    bundle.ready.catch(() => {});
    staged.push(bundle);
    next += bundleLimit;
  };
  try {
    // A bundle that cannot be encoded fails only when those before it are done.
    let failure = attempt(stageNext) ?? attempt(stageNext);
    for (let current = staged[0]; current !== undefined; current = staged[0]) {
      await current.ready;
      const committed = current.commit();
      failure ??= attempt(stageNext);
      await committed;
      onCommitted?.(Math.min(changes.length, ++bundlesCommitted * bundleLimit));
      staged.shift();
    }
    if (failure !== undefined) throw failure.error;
  } catch (error) {
    for (const bundle of staged) bundle.discard();
    throw error;
  }
}

function attempt(work: () => void): { readonly error: unknown } | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return { error };
  }
}

interface StagedBundle {
  /** Resolves when the switch has read and accepted every change of it. */
  readonly ready: Promise<void>;
  commit(): Promise<void>;
  discard(): void;
}

function stage(channel: Channel, changes: readonly BundledChange[]): StagedBundle {
  const bundle = channel.reserve();
  const first = channel.reserve(changes.length);
  const writer = new Writer(Math.max(4_096, changes.length * typicalBytes));
  const refused: RefusedChange<SwitchChange>[] = [];
  writeBundleControl(writer, bundleControl.openRequest, bundle, bundle);
  for (const [index, change] of changes.entries())
    encoding(change, () => writeBundleAdd(writer, bundle, first + index, () => writeChange(writer, change, first + index)));
  // The switch commits a bundle without the changes it refused when they were added, so they must be known before.
  const stopWatching = channel.watchErrors(first, changes.length, (xid, error) => {
    const change = changes[xid - first];
    if (change !== undefined) refused.push({ change, reason: errorName(error) });
  });
  channel.send(writer.result());
  const control = async (type: number): Promise<void> => {
    try {
      await channel.request("a bundle", (message, xid) => writeBundleControl(message, type, bundle, xid));
    } catch (error) {
      if (!(error instanceof OpenFlowError) || refused.length === 0) throw error;
    }
    if (refused.length > 0) throw new ChangesRefused(refused, describeChange);
  };
  return {
    ready: control(bundleControl.closeRequest),
    commit: () => control(bundleControl.commitRequest).finally(stopWatching),
    discard() {
      stopWatching();
      channel.request("a bundle", (message, xid) => writeBundleControl(message, bundleControl.discardRequest, bundle, xid)).catch(() => {});
    },
  };
}

/** Makes each change by itself and resolves when the switch has dealt with all. Rejects with {@link ChangesRefused}; the others are done. */
export async function applyEach(channel: Channel, changes: readonly SwitchChange[]): Promise<void> {
  if (changes.length === 0) return;
  const first = channel.reserve(changes.length);
  const writer = new Writer(Math.max(4_096, changes.length * typicalBytes));
  for (const [index, change] of changes.entries()) encoding(change, () => writeChange(writer, change, first + index));
  const refused: RefusedChange<SwitchChange>[] = [];
  const stopWatching = channel.watchErrors(first, changes.length, (xid, error) => {
    const change = changes[xid - first];
    if (change !== undefined) refused.push({ change, reason: errorName(error) });
  });
  channel.send(writer.result());
  try {
    await channel.barrier();
  } finally {
    stopWatching();
  }
  if (refused.length > 0) throw new ChangesRefused(refused, describeChange);
}

/** The change in words: the flow in ovs-ofctl's, a group or meter by its number. */
export function describeChange(change: SwitchChange): string {
  if ("flow" in change) return `${change.command} ${formatFlow(change.flow)}`;
  if ("meterMod" in change) {
    const { meter } = change.meterMod;
    return `${change.command} meter ${typeof meter === "object" ? meter.meter : meter}`;
  }
  return `${change.command} group ${typeof change.group === "object" ? change.group.group : change.group}`;
}

function writeChange(writer: Writer, change: SwitchChange, xid: number): void {
  if ("flow" in change) writeFlowMod(writer, change, xid);
  else if ("meterMod" in change) writeMeterMod(writer, change.meterMod, xid);
  else writeGroupMod(writer, change, xid);
}

/** A change that cannot be written counts as refused, by us. */
function encoding(change: SwitchChange, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new ChangesRefused([{ change, reason: errorMessage(error) }], describeUnencodable);
  }
}

/** What cannot be encoded may not be printable either. */
function describeUnencodable(change: SwitchChange): string {
  try {
    return describeChange(change);
  } catch {
    return "flow" in change ? `${change.command} of a flow in table ${change.flow.table}` : change.command;
  }
}
