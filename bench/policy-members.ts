import { fileURLToPath } from "node:url";
import { setTimeout as wait } from "node:timers/promises";
import type { GroupMember } from "../src/core/api/controlplane/index.ts";
import type { PacketPod } from "../src/agent/flows/testing/packet-node.ts";
import { type Bench, percentile } from "./bench.ts";
import { fromGroups, group, member, numbers, policy, rule, tcp } from "./policy-rows.ts";
import { type ProgrammedNode, withProgrammedNode } from "./programmed-node.ts";

const rules = 1_000;
const tries = 40;
const packetsPerSecond = 1_000;
const firstPort = 20_000;
const ports = 20;
const largeSet = 10_000;
const replaced = 5;

/** A pod joins a set that 1 000 rules use: how much is told to the switch, and how long until its packets pass. Then a large set changes a little. */
export const bench: Bench = {
  goals: { flow_mods: { atMost: 1 }, effect_ms: 20, replaced_flow_mods: { atMost: 10 } },
  run: ({ print }) =>
    withProgrammedNode(["server", "client"], async (node) => {
      const [server, client] = node.pods;
      if (server === undefined || client === undefined) throw new Error("the node has no pods");
      const { compiler } = node;
      compiler.setAppliedToGroup(group("servers", [{ ...asMember(server), ips: [] }]));
      compiler.setAddressGroup(group("peers", [member(1)]));
      for (const number of numbers(rules - 1))
        compiler.setPolicy(policy(`p-${number}`, "servers", rule({ peer: fromGroups("peers"), services: tcp(1 + number) })));
      const udp = { protocol: "UDP" as const, port: firstPort, endPort: firstPort + ports - 1 };
      compiler.setPolicy(policy("udp", "servers", rule({ peer: fromGroups("peers"), services: [udp] })));
      print(`${await node.apply()} flow-mods for ${rules} rules`);
      const { joins, flowMods } = await measureJoins(node, { server, client });
      print(
        `${tries} times: ${Math.min(...joins).toFixed(1)} to ${Math.max(...joins).toFixed(1)} ms, ${packetsPerSecond} new connections per second`,
      );

      compiler.setAddressGroup(
        group(
          "large",
          numbers(largeSet).map((number) => member(number, "10.40")),
        ),
      );
      compiler.setPolicy(policy("large", "servers", rule({ peer: fromGroups("large"), services: tcp(8_443) })));
      await node.apply();
      compiler.setAddressGroup(
        group(
          "large",
          numbers(largeSet, replaced).map((number) => member(number, "10.40")),
        ),
      );
      const replacedFlowMods = await node.apply();
      return {
        flow_mods: flowMods,
        effect_ms: percentile(joins, 0.5),
        effect_p95_ms: percentile(joins, 0.95),
        replaced_flow_mods: replacedFlowMods,
      };
    }),
};

const asMember = ({ port }: PacketPod): GroupMember => ({
  pod: { namespace: port.podNamespace, name: port.podName },
  ips: port.addresses.filter(({ family }) => family === 4),
  ports: [],
});

/** Milliseconds from the patch of the group, as it arrives at the node, to the first datagram sent that passes; and the most flow-mods it took. */
async function measureJoins(
  node: ProgrammedNode,
  { server, client }: { readonly server: PacketPod; readonly client: PacketPod },
): Promise<{ readonly joins: readonly number[]; readonly flowMods: number }> {
  const sentAt = new Map<number, bigint>();
  const receiver = server.start(process.execPath, script("./udp-receiver.ts"), "4", String(firstPort), String(ports));
  const sender = client.start(
    process.execPath,
    script("./udp-sender.ts"),
    server.addresses[4],
    String(firstPort),
    String(ports),
    String(packetsPerSecond),
  );
  const arrived: number[] = [];
  readLines(receiver.stdout, (line) => void arrived.push(Number(line)));
  readLines(sender.stdout, (line) => {
    const [number, at] = line.split(" ");
    sentAt.set(Number(number), BigInt(at ?? 0));
  });
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    for (let left = 5_000; !condition(); left -= 2) {
      if (left < 0) throw new Error(`waited 5 s until ${what}`);
      await wait(2);
    }
  };
  try {
    await until("datagrams are sent", () => sentAt.size > packetsPerSecond / 5);
    const joins: number[] = [];
    let flowMods = 0;
    for (let attempt = 0; attempt < tries; attempt++) {
      await wait(50);
      arrived.length = 0;
      const before = process.hrtime.bigint();
      node.compiler.patchAddressGroup({ name: "peers", uid: "peers", added: [asMember(client)], removed: [] });
      flowMods = Math.max(flowMods, await node.apply());
      // The sender's own report may be behind what it reports of.
      await until("datagrams pass", () => arrived.some((number) => sentAt.has(number)));
      const first = sentAt.get(arrived.find((number) => sentAt.has(number)) ?? -1) ?? before;
      joins.push(Math.max(0, Number(first - before) / 1e6));
      node.compiler.patchAddressGroup({ name: "peers", uid: "peers", added: [], removed: [asMember(client)] });
      await node.apply();
      const passed = (): number => arrived.length;
      for (let last = -1; passed() !== last; ) {
        last = passed();
        await wait(40);
      }
    }
    return { joins, flowMods };
  } finally {
    sender.kill("SIGKILL");
    receiver.kill("SIGKILL");
  }
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function readLines(stream: NodeJS.ReadableStream | null, read: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string | Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) read(line);
  });
}
