import { isDeepStrictEqual } from "node:util";
import type { CriClient } from "#lib/cri/index.ts";
import type { KubeClient } from "#lib/kube/client.ts";
import { isAlreadyExists, isNotFound } from "#lib/kube/errors.ts";
import { leases, nodes } from "#lib/kube/kinds.ts";
import { createBackoff } from "#lib/runtime/backoff.ts";
import { sleep } from "#lib/runtime/clock.ts";
import { milliseconds, minutes, seconds } from "#lib/runtime/duration.ts";
import { errorMessage } from "#lib/runtime/errors.ts";
import type { Runtime } from "#lib/runtime/runtime.ts";
import type { KubeletConfig } from "./config.ts";
import { type MachineFacts, type NodeCondition, type NodeReport, nodeLabels, nodeStatus } from "./node-status.ts";

const leaseNamespace = "kube-node-lease";
/** The stock kubelet's times: a node whose lease is older than its duration counts as lost. */
const leaseDurationSeconds = 40;
const leaseInterval = seconds(10);
/** Unchanged, the node's status is written this seldom. */
const statusInterval = minutes(5);
/** How often the conditions are looked at; sooner while the node is not ready, as pods wait for it. */
const checkInterval = seconds(10);
const checkIntervalNotReady = milliseconds(100);

export interface RegistrationOptions {
  readonly runtime: Runtime;
  readonly config: KubeletConfig;
  readonly client: KubeClient;
  readonly cri: CriClient;
  readonly facts: MachineFacts;
  readonly signal: AbortSignal;
}

/** Registers the node, then keeps its status and its lease fresh until `signal` aborts. */
export function keepNodeRegistered(options: RegistrationOptions): void {
  const written: Written = { at: 0, lookedAt: 0 };
  void loop(options, "node status", () => reportStatus(options, written));
  void loop(options, "node lease", () => renewLease(options));
}

/** Runs `work` again and again; it says how long to wait. A failure waits by backoff. */
async function loop({ runtime, signal }: RegistrationOptions, what: string, work: () => Promise<number>): Promise<void> {
  const backoff = createBackoff({ random: runtime.random, initial: milliseconds(100), limit: seconds(5) });
  while (!signal.aborted) {
    let wait: number;
    try {
      wait = await work();
      backoff.reset();
    } catch (error) {
      wait = backoff.next();
      runtime.logger.warn(`${what} was not written; trying again`, { error: errorMessage(error), waitMs: Math.round(wait) });
    }
    await sleep(runtime.clock, wait, signal).catch(() => undefined);
  }
}

/** What was written last, and when; times are of the clock that nobody sets. */
interface Written {
  status?: NodeReport["status"];
  at: number;
  /** When the API was asked last what it has. */
  lookedAt: number;
}

async function reportStatus({ runtime, config, client, cri, facts }: RegistrationOptions, written: Written): Promise<number> {
  const now = runtime.clock.monotonic();
  let before: readonly Partial<NodeCondition>[] | undefined = written.status?.conditions;
  if (before === undefined || now - written.lookedAt >= checkInterval) {
    before = await conditionsInApi(client, config);
    written.lookedAt = now;
    // Others write here too: who has not heard of the node for a while says Unknown, and only this changes it back.
    if (written.status !== undefined && !holds(before ?? [], written.status.conditions)) delete written.status;
  }
  const status = await nodeStatus({ config, cri, facts, before: before ?? [], now: runtime.clock.wall() });
  if (before === undefined) await createNode(client, config, status);
  const ready = status.conditions.some(({ type, status: value }) => type === "Ready" && value === "True");
  if (written.status === undefined || !sameButHeartbeat(written.status, status) || now - written.at > statusInterval) {
    try {
      await client.patch(nodes, { name: config.nodeName }, { metadata: { labels: nodeLabels(config) } });
      // strategic: conditions that others wrote stay. Addresses would be merged by their type, which two of them share
      const patch = { status: { ...status, addresses: [...status.addresses, { $patch: "replace" }] } };
      await client.patch(nodes, { name: config.nodeName, subresource: "status" }, patch, { type: "strategic" });
    } catch (error) {
      // someone deleted the node: it registers anew
      delete written.status;
      throw error;
    }
    written.status = status;
    written.at = now;
  }
  return ready ? checkInterval : checkIntervalNotReady;
}

/** Whether `found` has all of `conditions`, whatever else. */
const holds = (found: readonly Partial<NodeCondition>[], conditions: readonly NodeCondition[]): boolean =>
  conditions.every(({ type, status }) => found.some((one) => one.type === type && one.status === status));

/** The conditions that the API has of this node; undefined when there is no node. */
async function conditionsInApi(client: KubeClient, config: KubeletConfig): Promise<readonly Partial<NodeCondition>[] | undefined> {
  try {
    return ((await client.get(nodes, { name: config.nodeName })) as Partial<NodeReport>).status?.conditions ?? [];
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function createNode(client: KubeClient, config: KubeletConfig, status: NodeReport["status"]): Promise<void> {
  const node: NodeReport = { metadata: { name: config.nodeName, labels: nodeLabels(config) }, status };
  try {
    await client.create(nodes, node);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

function sameButHeartbeat(a: NodeReport["status"], b: NodeReport["status"]): boolean {
  const still = ({ conditions, ...rest }: NodeReport["status"]) => ({
    ...rest,
    conditions: conditions.map(({ lastHeartbeatTime: _, ...condition }) => condition),
  });
  return isDeepStrictEqual(still(a), still(b));
}

async function renewLease({ runtime, config, client }: RegistrationOptions): Promise<number> {
  const name = config.nodeName;
  // MicroTime: six digits
  const renewTime = new Date(runtime.clock.wall()).toISOString().replace("Z", "000Z");
  const spec = { holderIdentity: name, leaseDurationSeconds, renewTime };
  try {
    await client.patch(leases, { namespace: leaseNamespace, name }, { spec });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client.create(leases, { metadata: { namespace: leaseNamespace, name }, spec });
  }
  return leaseInterval;
}
