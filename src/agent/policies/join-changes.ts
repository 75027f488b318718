import { type ChangeMark, type ControlplaneResource, controlplaneResources } from "#core/api/controlplane/index.ts";
import { type Clock, type Duration, milliseconds, type Timer } from "#lib/runtime/index.ts";
import type { ControllerEvent } from "./events.ts";

/**
 * What came on one stream waits no longer than this for the others. More than TCP needs to send a lost segment again (200 ms), less than the 600 ms of
 * silence after which another controller is looked for.
 */
export const heldAtMost: Duration = milliseconds(500);
/** More than these are not held back; all are handed on. A change of 100 000 pods comes as a few patches. */
export const mostHeld = 10_000;

/** Makes one change again of what a controller told of it on three streams. */
export interface ChangeJoiner {
  /** The first set of a stream is over; `mark` is how far it goes. */
  begun(resource: ControlplaneResource, mark: ChangeMark | undefined): void;
  /** An event that came behind the first set; with a mark when it ends a change. */
  take(event: ControllerEvent, mark?: ChangeMark): void;
  /** How many events are held back. */
  readonly held: number;
  /** The streams are over. What was held back is forgotten: half a change is worse than the state before it. */
  close(): void;
}

export interface ChangeJoinerOptions {
  readonly clock: Pick<Clock, "monotonic" | "after">;
  /** What belongs together, in the order in which it came. `whole`: with all before it, this is one state of the cluster; then it may be of no events. */
  readonly deliver: (events: readonly ControllerEvent[], options: { readonly whole: boolean }) => void;
  /** First sets, with what was delivered up to now, are one state of the cluster. Called once. */
  readonly complete: () => void;
  /** These did not keep up with the others within {@link heldAtMost}. What was held back is delivered without them. */
  readonly late: (resources: readonly ControlplaneResource[]) => void;
}

interface Held {
  readonly event: ControllerEvent;
  /** Counted from when all streams had begun. */
  until: number;
  /** The change that it belongs to, once its stream has told. */
  change: number | undefined;
}

/**
 * Events of a change are held back until each stream has told that it ended. A controller that gives no marks, or whose streams come from several processes, tells
 * nothing of what belongs together: its events are handed on as they come.
 */
export function createChangeJoiner({ clock, deliver, complete, late }: ChangeJoinerOptions): ChangeJoiner {
  const reached = new Map<ControlplaneResource, ChangeMark | undefined>();
  let held: Held[] = [];
  let timer: Timer | undefined;
  /** First sets of different moments are one state when all streams are as far as the furthest of them; undefined once they were. */
  let goal: number | undefined = Number.POSITIVE_INFINITY;
  /** What was handed on in parts is whole again when all streams are as far as this; 0 when nothing was, or all of it is. */
  let wholeFrom = 0;
  /** Streams that had not told which change the last event belongs to that was handed on. */
  const untold = new Set<ControlplaneResource>();
  let closed = false;

  const allBegun = (): boolean => reached.size === controlplaneResources.length;
  const marks = (): readonly ChangeMark[] | undefined => {
    const all = [...reached.values()].filter((mark) => mark !== undefined);
    return allBegun() && all.length === reached.size && all.every(({ origin }) => origin === all[0]?.origin) ? all : undefined;
  };
  /** How far all streams are; undefined when they do not say so together. */
  const common = (): number | undefined => {
    const all = marks();
    return all === undefined ? undefined : Math.min(...all.map(({ number }) => number));
  };
  const hand = (events: readonly Held[], options: { readonly whole: boolean }): void =>
    deliver(
      events.map(({ event }) => event),
      options,
    );
  const handAll = (): void => {
    const all = held;
    held = [];
    for (const { event, change } of all) {
      if (change !== undefined) wholeFrom = Math.max(wholeFrom, change);
      else if (event.type !== "progress") untold.add(event.resource);
    }
    if (all.length > 0) hand(all, { whole: false });
  };
  const completeAt = (number: number): void => {
    if (goal === undefined || number < goal) return;
    goal = undefined;
    complete();
  };
  const advance = (): void => {
    if (!allBegun()) return;
    const number = common() ?? Number.POSITIVE_INFINITY;
    const isOver = ({ change }: Held): boolean => number === Number.POSITIVE_INFINITY || (change !== undefined && change <= number);
    const over = held.filter(isOver);
    const whole = number !== Number.POSITIVE_INFINITY && number >= wholeFrom && untold.size === 0;
    if (over.length > 0 || (whole && wholeFrom > 0)) {
      held = held.filter((each) => !isOver(each));
      hand(over, { whole });
    }
    if (whole) wholeFrom = 0;
    completeAt(number);
    watch();
  };
  /** Sees to it that nothing is held for too long. */
  const watch = (): void => {
    timer?.cancel();
    timer = undefined;
    const [oldest] = held;
    const until = oldest?.until ?? (goal === undefined ? undefined : clock.monotonic() + heldAtMost);
    // A stream whose first set has not come is no late one: without it there is nothing that could be complete.
    if (closed || until === undefined || !allBegun()) return;
    timer = clock.after(milliseconds(Math.max(0, until - clock.monotonic())), giveUp, { background: true });
  };
  const giveUp = (): void => {
    if (closed || (held.length === 0 && goal === undefined)) return;
    const furthest = Math.max(...(marks() ?? []).map(({ number }) => number));
    late(controlplaneResources.filter((resource) => (reached.get(resource)?.number ?? 0) < furthest));
    handAll();
    completeAt(Number.POSITIVE_INFINITY);
    watch();
  };

  return {
    get held() {
      return held.length;
    },
    begun(resource, mark) {
      reached.set(resource, mark);
      if (!allBegun()) return;
      for (const each of held) each.until = clock.monotonic() + heldAtMost;
      const all = marks();
      goal = all === undefined ? 0 : Math.max(...all.map(({ number }) => number));
      advance();
    },
    take(event, mark) {
      const { resource } = event;
      // Says how far its stream is, and is in nobody's way.
      const isFree = event.type === "progress" && allBegun() && held.every((each) => each.event.resource !== resource);
      if (isFree) deliver([event], { whole: false });
      else {
        held.push({ event, until: clock.monotonic() + heldAtMost, change: undefined });
        if (held.length === 1) watch();
      }
      if (mark !== undefined) {
        reached.set(resource, mark);
        if (untold.delete(resource)) wholeFrom = Math.max(wholeFrom, mark.number);
        for (const each of held) if (each.event.resource === resource) each.change ??= mark.number;
      }
      if (mark !== undefined || common() === undefined) advance();
      if (held.length > mostHeld && allBegun()) handAll();
    },
    close() {
      closed = true;
      held = [];
      timer?.cancel();
    },
  };
}
