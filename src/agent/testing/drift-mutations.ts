import type { Random } from "#lib/runtime/index.ts";
import { flowTexts, gateway, learned, lines, ofctl } from "./picture.ts";
import type { PrivateAgent } from "./private-agent.ts";

/** A way to change by hand what the agent keeps. Gives what it did, in words. */
export type Mutation = (agent: PrivateAgent, random: Random) => Promise<string>;

const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[random.below(items.length)];

/** Table, priority and match of a flow's text, without its cookie and actions. */
const identityOf = (text: string): string =>
  text
    .replace(/\s*actions=.*$/, "")
    .replace(/cookie=0x[0-9a-f]+, /, "")
    .replaceAll(", ", ",");

const onFlow =
  (what: string, change: (agent: PrivateAgent, flow: string) => Promise<unknown>): Mutation =>
  async (agent, random) => {
    const flow = pick(random, await flowTexts(agent)) ?? "";
    await change(agent, flow);
    return `${what} ${flow}`;
  };
const onPort =
  (what: string, change: (agent: PrivateAgent, port: string) => Promise<unknown>): Mutation =>
  async (agent, random) => {
    const ports = lines(await agent.node.vsctl("list-ports", "br-int")).filter(
      (port) => port !== "bystander" && !port.startsWith("antrea-"),
    );
    const port = pick(random, ports);
    if (port === undefined) return "no pod's port is there";
    await change(agent, port);
    return `${what} ${port}`;
  };
const command =
  (...words: readonly string[]): Mutation =>
  async ({ node }) => {
    const [program = "", ...args] = words;
    await node.exec(program, ...args).catch(() => {}); // what it names may be gone by an earlier one
    return words.join(" ");
  };
const vsctl =
  (...words: readonly string[]): Mutation =>
  async ({ node }) => {
    await node.vsctl("--no-wait", ...words);
    return `ovs-vsctl ${words.join(" ")}`;
  };

export const mutations: readonly Mutation[] = [
  onFlow("delete flow", (agent, flow) => ofctl(agent, "del-flows", "--strict", identityOf(flow))),
  onFlow("empty flow", (agent, flow) => ofctl(agent, "mod-flows", "--strict", `${identityOf(flow)} actions=drop`)),
  onFlow("replace flow", (agent, flow) => ofctl(agent, "add-flow", `cookie=0x77,${identityOf(flow)} actions=NORMAL`)),
  async (agent, random) => {
    const table = random.below(40);
    if (learned.includes(table)) return "nothing";
    const flow = `table=${table},priority=${1 + random.below(400)},ip,nw_src=203.0.113.${random.below(256)} actions=drop`;
    await ofctl(agent, "add-flow", flow);
    return `add flow ${flow}`;
  },
  async (agent, random) => {
    const table = pick(random, [0, 6, 18, 23, 28]);
    await ofctl(agent, "del-flows", `table=${table}`);
    return `delete the flows of table ${table}`;
  },
  async (agent, random) => {
    const number = random.below(100);
    await ofctl(agent, "add-group", `group_id=${number},type=all,bucket=actions=drop`).catch(() => "");
    return `add group ${number}`;
  },
  async (agent, random) => {
    const number = 1 + random.below(100);
    await ofctl(agent, "add-meter", `meter=${number},kbps,band=type=drop,rate=1000`).catch(() => "");
    return `add meter ${number}`;
  },
  onPort("delete port", ({ node }, port) => node.vsctl("--no-wait", "del-port", "br-int", port)),
  onPort("forget the pod of port", ({ node }, port) => node.vsctl("--no-wait", "remove", "Port", port, "external_ids", "pod-name")),
  vsctl("del-port", "br-int", "antrea-tun0"),
  vsctl("del-port", "br-int", gateway),
  vsctl("set", "Bridge", "br-int", "fail_mode=standalone"),
  command("ip", "route", "del", "10.10.1.0/24"),
  command("ip", "-6", "route", "del", "fd00:11::/64"),
  command("ip", "route", "add", "10.77.0.0/24", "dev", gateway, "proto", "170"),
  command("ip", "route", "change", "10.10.1.0/24", "dev", gateway, "proto", "170"),
  command("ip", "address", "flush", "dev", gateway, "scope", "global"),
  command("ip", "address", "add", "10.98.0.1/24", "dev", gateway),
  command("ip", "link", "set", gateway, "down"),
  command("nft", "delete", "table", "inet", "antrea"),
  command("nft", "delete", "table", "netdev", "antrea"),
  command("nft", "add", "rule", "inet", "antrea", "postrouting", "accept"),
  command("nft", "flush", "table", "inet", "antrea"),
  command("nft", "add", "chain", "inet", "antrea", "stranger"),
  command("sysctl", "-qw", "net.ipv4.ip_forward=0"),
];

/** Things of others beside those of the agent: on its bridge's switch, in the kernel's tables and in nftables. */
export async function addBystanders({ node }: PrivateAgent): Promise<void> {
  await node.exec("ip", "route", "add", "10.99.0.0/16", "via", "192.0.2.2", "proto", "static");
  await node.exec("ip", "rule", "add", "from", "198.51.100.0/24", "lookup", "99");
  await node.exec("nft", "add", "table", "inet", "bystander");
  await node.exec("nft", "add", "chain", "inet", "bystander", "input", "{ type filter hook input priority 5 ; }");
  await node.exec("nft", "add", "rule", "inet", "bystander", "input", "udp", "dport", "9", "drop");
  await node.vsctl("--no-wait", "add-port", "br-int", "bystander", "--", "set", "Interface", "bystander", "type=internal");
}
