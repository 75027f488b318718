import type { Group, NetworkPolicy } from "#core/api/controlplane/index.ts";
import type { FeatureGate } from "#core/api/feature-gates.ts";
import type { IpAddress } from "#lib/ip/index.ts";
import type { Logger } from "#lib/runtime/index.ts";
import type { ReadTable } from "#lib/table/index.ts";
import type { FqdnRules } from "../fqdn/index.ts";
import type { ThisNode } from "../nodes/nodes.ts";
import type { Transport } from "../nodes/transport.ts";
import type { UnrealizedRow } from "../health.ts";
import type { PodInterface } from "../ovs/local-ports.ts";

/** A flow as the switch has it, in ovs-ofctl's words. */
export interface FlowText {
  readonly table: number;
  readonly text: string;
}

/** Something that is up or down, for people who ask whether the agent is well. */
export interface Health {
  readonly type: "AgentHealthy" | "ControllerConnectionUp" | "OVSDBConnectionUp" | "OpenflowConnectionUp";
  readonly up: boolean;
  readonly message?: string;
}

/** What the agent's API can see. Reading it changes nothing. */
export interface AgentView {
  readonly version: string;
  readonly node: ThisNode;
  /** The agent's own Pod, where it runs in one. */
  readonly pod: { readonly namespace: string; readonly name: string } | undefined;
  readonly bridge: string;
  readonly apiPort: number;
  readonly transport: Transport;
  readonly podMtu: number;
  readonly gates: readonly FeatureGate[];
  readonly podInterfaces: ReadTable<PodInterface>;
  readonly policies: {
    networkPolicies(): readonly NetworkPolicy[];
    addressGroups(): readonly Group[];
    appliedToGroups(): readonly Group[];
  };
  readonly switch: {
    /** Of Open vSwitch, such as `3.1.0`; empty when it does not say. */
    version(): Promise<string>;
    /** Names of the pipeline's tables, by number. */
    readonly tableNames: ReadonlyMap<number, string>;
    dump(table?: number): Promise<readonly FlowText[]>;
    /** How many flows each table has. */
    counts(): Promise<ReadonlyMap<number, number>>;
    /** The flows that exist because of this policy (by its UID). */
    ofPolicy(uid: string): Promise<readonly FlowText[]>;
    /** The flows that exist because of this Service (`namespace/name`), learned ones too; undefined when it is not served here. */
    ofService(service: string): Promise<readonly FlowText[] | undefined>;
    /** Groups in ovs-ofctl's words: these, or all. */
    groups(ids?: readonly number[]): Promise<readonly string[]>;
  };
  readonly fqdn: Pick<FqdnRules, "rows" | "neverSeen">;
  /** What policies need of the switch, by direction, and what is not enforced as written. */
  policyEncoding(): unknown;
  health(): readonly Health[];
  /** Rows that their target refuses at the moment. */
  unrealized(): readonly UnrealizedRow[];
  readonly now: () => Date;
  readonly logger: Logger;
}

export const addressTexts = (addresses: readonly IpAddress[]): string[] => addresses.map(String);
