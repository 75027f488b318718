import { auditedPacket } from "#core/audit/index.ts";
import { readCookie } from "#core/pipeline/cookie.ts";
import type { LocalPort, Pipeline } from "#core/pipeline/index.ts";
import type { CountedRule } from "#core/pipeline/policy/index.ts";
import { policySides } from "#core/pipeline/policy/sides.ts";
import { registers } from "#core/pipeline/registers.ts";
import { events, type Event, type KubeClient } from "#lib/kube/index.ts";
import type { PacketIn } from "#lib/openflow/connection.ts";
import { errorMessage, minutes, nameSuffix, type Runtime, seconds } from "#lib/runtime/index.ts";

/** The same of a pod is not told again before. */
const againAfter = minutes(5);
/** Of one node, however many pods are denied however much. */
const eventsPerWindow = { count: 10, window: seconds(60) } as const;
/** Pods and rules of which is remembered when they were told last. */
const rememberedAtMost = 1_000;

export interface TellOwnerOptions {
  readonly runtime: Runtime;
  readonly client: KubeClient;
  readonly node: string;
  readonly pipeline: Pipeline;
  readonly podOf: (ofport: number) => Pick<LocalPort, "podNamespace" | "podName"> | undefined;
  readonly uidOf: (pod: { readonly namespace: string; readonly name: string }) => string | undefined;
  readonly ruleOf: (ruleId: number) => CountedRule | undefined;
}

/** Tells the owner of a pod, by an event on it, which policy denied a packet. Only where the policy's namespace asks for it; see `docs/policies.md`. */
export function tellOwner(options: TellOwnerOptions): (packet: PacketIn) => void {
  const { runtime, client, node, pipeline, podOf, uidOf, ruleOf } = options;
  const { clock } = runtime;
  const told = new Map<string, number>();
  let window = { began: 0, events: 0 };

  /** Whether it may be told now; counts it as told. */
  const mayTell = (what: string): boolean => {
    const now = clock.monotonic();
    if (now - (told.get(what) ?? Number.NEGATIVE_INFINITY) < againAfter) return false;
    if (now - window.began >= eventsPerWindow.window) window = { began: now, events: 0 };
    if (window.events >= eventsPerWindow.count) return false;
    window.events++;
    told.delete(what);
    told.set(what, now);
    const [oldest] = told.keys();
    if (told.size > rememberedAtMost && oldest !== undefined) told.delete(oldest);
    return true;
  };
  return ({ packet: frame, cookie, table, metadata }) => {
    const side = Object.values(policySides).find(({ tierRule, rule, defaultRule }) =>
      [tierRule, rule, defaultRule].some((name) => name === pipeline.nameOf(table ?? 255)),
    );
    const ruleId = readCookie(cookie ?? 0n)?.object;
    if (side === undefined || ruleId === undefined) return;
    const isIngress = side.direction === "In";
    const field = isIngress ? metadata[registers.outputPort.field] : metadata.in_port;
    const pod = podOf(Number(typeof field === "bigint" ? field : (field?.value ?? 0n)));
    const rule = ruleId === 0 ? undefined : ruleOf(ruleId);
    if (pod === undefined || (ruleId !== 0 && rule?.refusing !== true)) return;
    const { podNamespace: namespace, podName: name } = pod;
    const by =
      rule === undefined
        ? `no NetworkPolicy of namespace ${namespace} allows it`
        : `${rule.policy.type} ${rule.policy.namespace}/${rule.policy.name}${rule.rule === undefined ? "" : `, rule ${rule.rule}`}`;
    if (!mayTell(`${namespace}/${name} ${side.direction} ${by}`)) return;
    const seen = auditedPacket(frame);
    const way =
      seen === undefined
        ? ""
        : ` from ${seen.source} to ${seen.destination}${seen.destinationPort === undefined ? "" : `, port ${seen.destinationPort}`}`;
    const now = `${new Date(clock.wall()).toISOString().slice(0, 19)}Z`;
    const uid = uidOf({ namespace, name });
    const event: Event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name}.${nameSuffix(runtime.random, 16)}`, namespace },
      type: "Warning",
      reason: "PolicyDenied",
      message: `${isIngress ? "Ingress" : "Egress"}${way} was rejected: ${by}`,
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name, ...(uid !== undefined && { uid }) },
      source: { component: "antrea-agent", host: node },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    };
    client.create(events, event).catch((error: unknown) => {
      runtime.logger.debug("cannot tell a pod's owner what was denied", { pod: `${namespace}/${name}`, error: errorMessage(error) });
    });
  };
}
