import {
  afterAdopting,
  type ComputedRevisions,
  type ControlplaneResource,
  controlplaneResources,
  isOlder,
  isResourceVersion,
  type Lack,
  lackOf,
  together,
} from "#core/api/controlplane/index.ts";
import type { FirstSets } from "./events.ts";

/** How far the controller has computed, as each of its three streams says, and how much is contained in what is enforced. */
export interface Progress {
  reached(resource: ControlplaneResource, computed: ComputedRevisions | undefined): void;
  /** The streams ended: what they said holds for them no more. */
  lost(): void;
  /** Whether the controller says on all streams how far it is. */
  announced(): boolean;
  /** Whether all streams contain the effects of pods up to `resourceVersion`. */
  hasPods(resourceVersion: string): boolean;
  /** What is contained in what was followed up to now, of whatever controllers. */
  enforced(): ComputedRevisions | undefined;
  /** What first sets lack of it; undefined also where their controller does not say. */
  lackOf(offered: FirstSets["computed"]): Lack | undefined;
  /** What was enforced up to now is no measure any more. */
  forget(): void;
}

export function createProgress(remembered: ComputedRevisions | undefined): Progress {
  const marks = new Map<ControlplaneResource, ComputedRevisions>();
  let enforced = remembered;
  const common = (): ComputedRevisions | undefined => commonOf(Object.fromEntries(marks));
  return {
    reached(resource, computed) {
      if (marks.get(resource) === computed) return;
      if (computed === undefined) marks.delete(resource);
      else marks.set(resource, computed);
      const all = common();
      if (all !== undefined) enforced = afterAdopting(enforced, all);
    },
    lost: () => marks.clear(),
    announced: () => controlplaneResources.every((resource) => marks.has(resource)),
    hasPods(resourceVersion) {
      const pods = common()?.pods;
      return pods !== undefined && isResourceVersion(pods) && !isOlder(pods, resourceVersion);
    },
    enforced: () => enforced,
    lackOf(offered) {
      const all = commonOf(offered);
      return all === undefined || enforced === undefined ? undefined : lackOf(all, enforced);
    },
    forget() {
      enforced = undefined;
    },
  };
}

function commonOf(marks: Readonly<Partial<Record<ControlplaneResource, ComputedRevisions | undefined>>>): ComputedRevisions | undefined {
  let all: ComputedRevisions | undefined;
  for (const resource of controlplaneResources) {
    const mark = marks[resource];
    if (mark === undefined || (all !== undefined && all.cluster !== mark.cluster)) return undefined;
    all = all === undefined ? mark : together(all, mark);
  }
  return all;
}
