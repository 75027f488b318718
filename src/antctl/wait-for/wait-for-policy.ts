import { asOfParameter, type EnforcementStatus, type NodeEnforcement } from "#core/api/controlplane/index.ts";
import { type Clock, type Duration, milliseconds, seconds, sleep } from "#lib/runtime/index.ts";
import { type Endpoint, isMissing } from "../endpoint.ts";
import { PolicyNotFound } from "../errors.ts";
import type { Mode } from "../mode.ts";
import { findPolicy, type FoundPolicy, type PolicyKind, type PolicyName } from "./find-policy.ts";

/** How waiting ended. */
export interface Enforcement {
  readonly policy: PolicyName & { readonly type: PolicyKind; readonly uid: string };
  /** What was waited for. */
  readonly generation: number;
  readonly enforced: boolean;
  /** The nodes that have to enforce it; undefined while no controller has computed it. */
  readonly nodes: readonly NodeEnforcement[] | undefined;
  /**
   * Members of its groups that nobody asked for: `all` where the controller knows none of it, else of nodes that do not tell.
   */
  readonly membersUnknown?: "all" | readonly string[];
  /** Nothing of it is enforced, wherever it is. */
  readonly staged?: true;
  /** Of the nodes whose time is known: from when they were told until the controller heard of the proof, in milliseconds. */
  readonly p50Milliseconds?: number;
  readonly p99Milliseconds?: number;
  /** Why a controller could not be asked last. */
  readonly problem?: string;
}

/** How often it is asked. What is printed of times is measured by the controller. */
const pause: Duration = milliseconds(200);
/** A policy that a controller does not know after this long does not exist: it hears of one within milliseconds. */
const heardWithin: Duration = seconds(5);

export interface WaitOptions {
  readonly ask: Endpoint;
  readonly mode: Mode;
  readonly policy: PolicyName;
  /** Default: the present one. */
  readonly generation: number | undefined;
  readonly timeout: Duration;
  readonly clock: Clock;
}

/**
 * Waits until every node of the policy's span has proven its generation or a later one, and the members that its groups had when the controller was asked first, for `timeout`
 * at most. Throws {@link PolicyNotFound}.
 */
export async function waitForPolicy(options: WaitOptions): Promise<Enforcement> {
  const { ask, policy, timeout, clock } = options;
  const end = clock.monotonic() + timeout;
  const { uid, type, ...found } = await findSoon(options, end);
  const generation = options.generation ?? found.generation;
  let asOf: string | undefined;
  for (;;) {
    const { status, problem } = await askOnce(ask, uid, asOf);
    asOf ??= status?.asOf;
    const nodes = status !== undefined && status.generation >= generation ? status.nodes : undefined;
    const staged = nodes !== undefined && status?.staged === true;
    const enforced = !staged && nodes?.every(isProven) === true;
    if (enforced || clock.monotonic() + pause > end) {
      const times = percentiles(nodes ?? []);
      return {
        policy: { ...policy, type, uid },
        generation,
        enforced,
        nodes,
        ...(staged && { staged }),
        ...(nodes !== undefined && membersUnknown(nodes, status?.asOf)),
        ...times,
        ...(problem !== undefined && { problem }),
      };
    }
    await sleep(clock, pause);
  }
}

async function findSoon({ ask, mode, policy, clock }: WaitOptions, end: number): Promise<FoundPolicy> {
  const patience = Math.min(end, clock.monotonic() + heardWithin);
  for (;;) {
    const found = await findPolicy(ask, mode, policy);
    if (found !== undefined) return found;
    // Who is asked for what users wrote knows at once.
    if (mode === "remote" || clock.monotonic() + pause > patience) {
      const { namespace, name } = policy;
      throw new PolicyNotFound(
        namespace === undefined
          ? `there is no policy ${name} of the whole cluster; one of a namespace is named with -n NAMESPACE`
          : `there is no policy ${namespace}/${name}`,
      );
    }
    await sleep(clock, pause);
  }
}

/** What is waited for, of one node. One that does not tell of members counts without them. */
export const isProven = ({ state, membersProven }: NodeEnforcement): boolean => state === "Proven" && membersProven !== false;

function membersUnknown(nodes: readonly NodeEnforcement[], asOf: string | undefined): Pick<Enforcement, "membersUnknown"> {
  if (asOf === undefined) return { membersUnknown: "all" };
  const silent = nodes.filter(({ state, membersProven }) => state === "Proven" && membersProven === undefined);
  return silent.length === 0 ? {} : { membersUnknown: silent.map(({ nodeName }) => nodeName) };
}

/** A controller that is away, or has not heard of the policy yet, is asked again. */
async function askOnce(
  ask: Endpoint,
  uid: string,
  asOf: string | undefined,
): Promise<{ readonly status?: EnforcementStatus; readonly problem?: string }> {
  const query = asOf === undefined ? "" : `?${asOfParameter}=${encodeURIComponent(asOf)}`;
  try {
    const path = `/apis/controlplane.antrea.io/v1beta2/networkpolicies/${encodeURIComponent(uid)}/status${query}`;
    return { status: (await ask(path)) as EnforcementStatus };
  } catch (error) {
    return isMissing(error) ? {} : { problem: error instanceof Error ? error.message : String(error) };
  }
}

function percentiles(nodes: readonly NodeEnforcement[]): { readonly p50Milliseconds?: number; readonly p99Milliseconds?: number } {
  const times = nodes.flatMap(({ afterMilliseconds }) => afterMilliseconds ?? []).sort((one, other) => one - other);
  const at = (part: number): number => times[Math.max(0, Math.ceil(times.length * part) - 1)] ?? 0;
  return times.length === 0 ? {} : { p50Milliseconds: at(0.5), p99Milliseconds: at(0.99) };
}
