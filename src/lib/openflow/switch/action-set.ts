import type { Step } from "./program.ts";

/** Where an action stands in an action set (OpenFlow 1.5 §5.6, as Open vSwitch orders it). */
const ranks: { readonly [Type in Step["action"]["type"]]?: number } = {
  pop_vlan: 1,
  push_vlan: 2,
  dec_ttl: 3,
  set_field: 4,
  load: 4,
  move: 4,
  set_queue: 4,
};
/** Of these one is done, the last: the highest of those there are. */
const finals: { readonly [Type in Step["action"]["type"]]?: number } = { ct: 1, ct_clear: 2, resubmit: 3, output: 4, group: 5 };

/** The actions of a set in the order in which they are done. Without one that sends the packet somewhere, none is. */
export function actionSetOrder(set: readonly Step[]): Step[] {
  let final: Step | undefined;
  const once = new Map<number, Step>();
  const sets: Step[] = [];
  for (const step of set) {
    const rank = ranks[step.action.type];
    if (rank === 4) sets.push(step);
    else if (rank !== undefined) once.set(rank, step);
    else if ((finals[step.action.type] ?? 0) >= (final === undefined ? 1 : (finals[final.action.type] ?? 0))) final = step;
  }
  if (final === undefined) return [];
  return [...[...once].sort(([one], [other]) => one - other).map(([, step]) => step), ...sets, final];
}
