import { encodeGroupMember, type GroupMember } from "#core/api/controlplane/index.ts";
import { type Line, lineOf } from "./snapshot-lines.ts";

/** Members in one line: as many are encoded again when one of them comes or goes. */
const most = 128;
/** A line with fewer takes those of the next one too, as far as they fit. */
const few = most / 4;

/** Members that stand one after the other in their group, and the line that says so. */
interface Run {
  readonly members: readonly GroupMember[];
  readonly line: Line;
}

/**
 * By their first member. Members never change: another one takes their place. What of a group is as it was is found by its objects, so that where it is cut into
 * lines depends on what there was before. Agents in one process that were told the same have the same lines.
 */
const runs = new WeakMap<GroupMember, Run>();

/** The lines of a group's members: those that there were before as far as possible. Takes a look at each member, and encodes only those of new lines. */
export function memberLines(members: readonly GroupMember[]): Line[] {
  const lines: Line[] = [];
  for (let at = 0; at < members.length; ) {
    const run = knownRun(members, at) ?? newRun(members, at);
    lines.push(run.line);
    at += run.members.length;
  }
  return lines;
}

/** The run that begins here, if all of it still stands here and it need not grow. */
function knownRun(members: readonly GroupMember[], at: number): Run | undefined {
  const run = runAt(members, at);
  if (run === undefined || !run.members.every((member, index) => members[at + index] === member)) return undefined;
  return endsAt(members, at, at + run.members.length) ? run : undefined;
}

/** Takes up what follows until it is full or another run begins. */
function newRun(members: readonly GroupMember[], from: number): Run {
  let end = from + 1;
  while (!endsAt(members, from, end)) end++;
  const taken = members.slice(from, end);
  const line = lineOf("members", JSON.stringify(taken.map(encodeGroupMember)));
  const run = { members: taken, line };
  for (const member of taken) runs.delete(member);
  runs.set(members[from] as GroupMember, run);
  return run;
}

/** Whether a run may end before `end`. */
function endsAt(members: readonly GroupMember[], from: number, end: number): boolean {
  const length = end - from;
  if (end >= members.length || length >= most) return true;
  const next = runAt(members, end);
  return next !== undefined && (length >= few || length + next.members.length > most);
}

const runAt = (members: readonly GroupMember[], at: number): Run | undefined => {
  const first = members[at];
  return first === undefined ? undefined : runs.get(first);
};
