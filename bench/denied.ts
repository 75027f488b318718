import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { type NetworkPolicy, nothing, type PolicyRule } from "../src/core/api/controlplane/index.ts";
import { parsePrefix } from "../src/lib/ip/index.ts";
import { withProgrammedNode, type ProgrammedNode } from "./programmed-node.ts";
import { policy, rule } from "./policy-rows.ts";

/** What a load saw. */
export interface DeniedRun {
  readonly begun: number;
  readonly refused: number;
  readonly opened: number;
  readonly times: readonly number[];
}

export interface DeniedLoad {
  run(seconds: number, perSecond: number): Promise<DeniedRun>;
}

/** The ports of `server` that the policy denies; all others are open. */
export const deniedPorts = { first: 20_000, count: 40_000 } as const;

const everybody = { ...nothing, ipBlocks: (["0.0.0.0/0", "::/0"] as const).map((cidr) => ({ cidr: parsePrefix(cidr), except: [] })) };

/** A node whose pod `server` denies its upper ports by one rule of a tier, for as long as `use` lasts. */
export function withDenyingNode<Result>(
  clients: readonly string[],
  denies: Pick<PolicyRule, "action" | "enableLogging">,
  use: (node: ProgrammedNode) => Promise<Result>,
): Promise<Result> {
  return withProgrammedNode(["server", ...clients], async (node) => {
    const { first, count } = deniedPorts;
    const services = (["TCP", "UDP"] as const).map((protocol) => ({ protocol, port: first, endPort: first + count - 1 }));
    const guard: NetworkPolicy = {
      ...policy("guard", "server", rule({ peer: everybody, services, priority: 0, name: "no", ...denies })),
      sourceRef: { type: "AntreaNetworkPolicy", namespace: "shop", name: "guard", uid: "guard" },
      tierPriority: 250,
      priority: 5,
    };
    node.compiler.setAppliedToGroup({
      name: "server",
      uid: "server",
      members: [{ pod: { namespace: "shop", name: "server" }, ips: [], ports: [] }],
    });
    node.compiler.setPolicy(guard);
    await node.apply();
    return use(node);
  });
}

/** Starts `denied-load.ts` in a pod. */
export async function startDeniedLoad(pod: PacketPod, ...args: readonly string[]): Promise<DeniedLoad> {
  const child = pod.start(process.execPath, fileURLToPath(new URL("denied-load.ts", import.meta.url)), ...args);
  if (child.stdout === null) throw new Error("a load without output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async run(seconds, perSecond) {
      child.stdin?.write(`${seconds} ${perSecond}\n`);
      const { value } = await lines.next();
      return JSON.parse(String(value)) as DeniedRun;
    },
  };
}
