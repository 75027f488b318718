import type { Direction } from "#core/api/controlplane/index.ts";
import { type AuditedRule, auditedPacket, createAuditMerger, formatAuditEvent } from "#core/audit/index.ts";
import { readCookie } from "#core/pipeline/cookie.ts";
import type { LocalPort, Pipeline } from "#core/pipeline/index.ts";
import type { AuditedFlow } from "#core/pipeline/policy/index.ts";
import { registers } from "#core/pipeline/registers.ts";
import type { PacketIn } from "#lib/openflow/connection.ts";
import type { FieldMatch } from "#lib/openflow/match.ts";
import { milliseconds, type Runtime, type Timer } from "#lib/runtime/index.ts";
import { dispatchPacketIns, type PacketInFigures, type PacketInSwitch, senderBehind } from "../packet-in/index.ts";
import { type LogRotation, openLogFile } from "./log-file.ts";

/** Of one port, and of all: packets that wait for their turn. */
const limits = { perSender: 512, total: 4_096 } as const;
/** The part of a processor that the log may take: 2 000 denials a second take about half of it. */
const share = 0.08;

/** Lines of so long go to the file together: with one write for each, two thousand a second would be mostly writes. */
const gather = milliseconds(20);

/** What the audit log came to. */
export interface AuditFigures {
  readonly lines: number;
  /** Events that were lost: too many different ones, too little processor time, a full queue, a disk that does not take them. */
  readonly lost: number;
  /** Packets of flows whose rule is gone. */
  readonly unknown: number;
  readonly problem: string | undefined;
  readonly packets: PacketInFigures;
}

export interface AuditLogOptions {
  readonly runtime: Runtime;
  readonly pipeline: Pipeline;
  readonly connect: (signal: AbortSignal) => Promise<PacketInSwitch>;
  /** Such as `/var/log/antrea/networkpolicy/np.log`. */
  readonly file: string;
  readonly rotation: LogRotation;
  /** The rule behind a flow. Undefined: gone meanwhile. */
  readonly ruleOf: (flow: AuditedFlow) => AuditedRule | undefined;
  /** The port to other nodes; absent where there is none. */
  readonly tunnel?: { readonly ofport: number } | undefined;
  /** The port of a pod. */
  readonly podOf: (ofport: number) => Pick<LocalPort, "podNamespace" | "podName" | "interfaceName"> | undefined;
  readonly signal: AbortSignal;
}

/** Writes the audit log of policies, for as long as `signal` lets it. Under a flood it loses lines, never packets, and takes no more than {@link share}. */
export function keepAuditLog(options: AuditLogOptions): { readonly figures: () => AuditFigures; close(): Promise<void> } {
  const { runtime, pipeline, connect, file, rotation, ruleOf, podOf, signal } = options;
  const { clock } = runtime;
  const merger = createAuditMerger();
  const log = openLogFile({ runtime, file, rotation });
  const counts = { lostByDisk: 0, unknown: 0 };
  let timer: Timer | undefined;

  const write = (options?: { readonly all: boolean }): void => {
    const lines = merger.take(clock.wall(), options);
    if (lines.length === 0) return;
    if (!log.write(lines)) counts.lostByDisk += lines.length;
  };
  const schedule = (): void => {
    const next = merger.nextDue();
    if (timer !== undefined || next === undefined) return;
    const due = (): void => {
      timer = undefined;
      write();
      schedule();
    };
    timer = clock.after(milliseconds(Math.max(gather, next - clock.wall())), due, { background: true });
  };
  const handle = (packetIn: PacketIn): void => {
    const packet = auditedPacket(packetIn.packet);
    const object = packetIn.cookie === undefined ? undefined : readCookie(packetIn.cookie)?.object;
    const table = packetIn.table === undefined ? undefined : pipeline.nameOf(packetIn.table);
    const { metadata } = packetIn;
    const podIn = (direction: Direction) => podOf(numberOf(direction === "In" ? metadata[registers.outputPort.field] : metadata.in_port));
    const interfaceName = (direction: Direction): string | undefined => podIn(direction)?.interfaceName;
    const rule = object === undefined || table === undefined ? undefined : ruleOf({ object, table, interfaceName });
    if (packet === undefined || table === undefined || rule === undefined) {
      counts.unknown++;
      return;
    }
    const pod = podIn(rule.direction);
    const text = formatAuditEvent({
      ...rule,
      table,
      packet,
      ...(pod === undefined ? {} : { appliedTo: { namespace: pod.podNamespace, name: pod.podName } }),
    });
    merger.note(text, { merge: rule.disposition !== "Allow", now: clock.wall() });
    schedule();
  };
  const packets = dispatchPacketIns({
    runtime,
    category: "auditLog",
    connect,
    senderOf: senderBehind(options.tunnel),
    limits,
    allowance: { kind: "share", share },
    handle,
    signal,
  });
  return {
    figures() {
      const dispatched = packets.figures();
      const lost = merger.lost + counts.lostByDisk + log.lost + dispatched.overflowed + dispatched.overAllowance + dispatched.failed;
      return { lines: log.written, lost, unknown: counts.unknown, problem: log.problem, packets: dispatched };
    },
    async close() {
      timer?.cancel();
      timer = undefined;
      // What waits for its second to end is written as it is.
      write({ all: true });
      await log.close();
    },
  };
}

function numberOf(found: FieldMatch | undefined): number {
  return Number(typeof found === "bigint" ? found : (found?.value ?? 0n));
}
