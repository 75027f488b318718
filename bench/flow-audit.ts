import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createPrivateAgent, type PrivateAgent } from "../src/agent/testing/private-agent.ts";
import { unreadPackets } from "../src/agent/testing/load.ts";
import type { Bench } from "./bench.ts";
import { startPacketStream } from "./packet-stream.ts";
import { streamAndPeers } from "./stream-and-peers.ts";

const packetsPerSecond = 20_000;
const peers = 49_500;
/** The agent reads everything once in this time (`auditEvery` of flows/reconciler.ts), page by page. */
const wholeAuditMs = 60_000;

/** A stream while the agent reads all of a switch's 50 000 flows, and the same while it stands still: what the audit loses. */
export const bench: Bench = {
  goals: { packets_lost: { atMost: 0 } },
  async run({ print }) {
    const agent = await createPrivateAgent("flow-audit", {
      controlplane: streamAndPeers(peers),
      program: fileURLToPath(new URL("../dist/antrea-agent.js", import.meta.url)),
    });
    try {
      agent.start({ podReady: { timeout: "120s" } });
      await agent.eventually(async () => (await agent.ask("/readyz")) === "ok");
      const [server, client] = [await agent.addPod("server"), await agent.addPod("client")];
      await agent.eventually(async () => (await readFile(join(agent.runDir, "policies.snapshot"), "utf8")).includes(client.interfaceName));
      const stream = async (what: string): Promise<{ readonly lost: number; readonly unread: number }> => {
        const before = await unreadPackets(agent.node.namespace);
        const running = await startPacketStream({
          from: client.namespace,
          to: server.namespace,
          target: server.addresses[0] ?? "",
          packetsPerSecond,
        });
        await wait(wholeAuditMs);
        const { sent, lost } = await running.stop();
        const unread = (await unreadPackets(agent.node.namespace)) - before;
        print(`${what}: ${lost} of ${sent} packets lost, ${unread} not read by the switch for lack of processor time`);
        return { lost, unread };
      };
      const audited = await stream("while all is read once");
      const still = await withoutAgent(agent, () => stream("while the agent stands still"));
      return { packets_lost: audited.lost - audited.unread, lost_without_audit: still.lost - still.unread, unread: audited.unread };
    } finally {
      await agent.remove();
    }
  },
};

async function withoutAgent<Result>({ pid }: PrivateAgent, use: () => Promise<Result>): Promise<Result> {
  if (pid === undefined) throw new Error("the agent is not there");
  process.kill(pid, "SIGSTOP");
  try {
    return await use();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}
