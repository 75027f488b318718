import { join } from "node:path";
import type { Pipeline } from "#core/pipeline/index.ts";
import type { KubeClient, Pod } from "#lib/kube/index.ts";
import type { Runtime } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import { type AuditFigures, keepAuditLog, type LogRotation, podsByPort } from "./audit/index.ts";
import type { AgentConfig } from "./config.ts";
import type { FlowPipeline } from "./flows/index.ts";
import type { PodInterface } from "./ovs/local-ports.ts";
import { answerRejected, type PacketInFigures, type RejectOptions, tellOwner } from "./packet-in/index.ts";

export interface HearPacketsOptions extends Pick<RejectOptions, "connect" | "gateway" | "tunnel"> {
  readonly runtime: Runtime;
  readonly config: AgentConfig;
  readonly pipeline: Pipeline;
  readonly ports: ReadTable<PodInterface>;
  readonly flows: Pick<FlowPipeline, "countedRule" | "auditedRule">;
  readonly client: KubeClient;
  readonly node: string;
  /** Of this node, by `namespace/name`. */
  readonly pods: Pick<ReadTable<Pod>, "get">;
  readonly signal: AbortSignal;
}

/** What the packets came to that the switch handed over. */
export interface HeardPackets {
  readonly rejected: () => PacketInFigures;
  readonly audited: () => AuditFigures;
  /** Resolves when what was to be logged is in its file. */
  close(): Promise<void>;
}

/** Packets that the switch hands over because of policies: those that rules reject get their answers, and the pods' owners an event; those that rules log are lines of the audit log. */
export function hearPackets(options: HearPacketsOptions): HeardPackets {
  const { runtime, config, pipeline, connect, ports, gateway, flows, client, node, pods, signal } = options;
  const tunnel = options.tunnel === undefined ? {} : { tunnel: options.tunnel };
  const podOf = podsByPort(ports);
  const onRejected = tellOwner({
    runtime,
    client,
    node,
    pipeline,
    podOf,
    uidOf: ({ namespace, name }) => pods.get(`${namespace}/${name}`)?.metadata.uid,
    ruleOf: flows.countedRule,
  });
  const rejected = answerRejected({ runtime, connect, ports, gateway, ...tunnel, rate: config.packetInRate, onRejected, signal });
  const audit = keepAuditLog({
    runtime,
    pipeline,
    connect,
    file: join(config.logDir, "networkpolicy", "np.log"),
    rotation: auditRotation(config),
    ruleOf: flows.auditedRule,
    ...tunnel,
    podOf,
    signal,
  });
  return { rejected: rejected.figures, audited: audit.figures, close: audit.close };
}

const megabyte = 1 << 20;
/** Of a size of 0, which says nothing. */
const defaultAuditMegabytes = 100;

const auditRotation = (config: AgentConfig): LogRotation => ({
  maxSizeBytes: (config["auditLogging.maxSize"] || defaultAuditMegabytes) * megabyte,
  maxBackups: config["auditLogging.maxBackups"],
  maxAgeDays: config["auditLogging.maxAge"],
  compress: config["auditLogging.compress"],
});
