import { createPipeline, learnedTables } from "#core/pipeline/index.ts";
import { amplePatience } from "#lib/runtime/testing/patience.ts";
import type { PrivateAgent } from "./private-agent.ts";

export const gateway = "antrea-gw0";
export const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");

/** Tables whose flows the switch learns by itself. */
export const learned = createPipeline()
  .tables.filter(({ name }) => learnedTables.includes(name))
  .map(({ number }) => number);

/** The bridge's flows but those it learns itself, as ovs-ofctl prints them. */
export async function flowTexts(agent: PrivateAgent): Promise<string[]> {
  const dump = await ofctl(agent, "dump-flows", "--no-stats", "--no-names");
  return lines(dump)
    .map((line) => line.trim())
    .filter((line) => !learned.includes(Number(/table=(\d+)/.exec(line)?.[1] ?? 0)));
}

export function ofctl({ node }: PrivateAgent, command: string, ...args: readonly string[]): Promise<string> {
  const [first = "", ...rest] = args.filter((word) => !word.startsWith("--"));
  const options = args.filter((word) => word.startsWith("--"));
  const bridge = `${node.ovsRunDir}/br-int.mgmt`;
  return node.exec("ovs-ofctl", "-O", "OpenFlow15", ...options, command, bridge, ...(first === "" ? [] : [first, ...rest]));
}

/** Everything that the agent keeps, and the bystanders, as text: equal texts are an equal state. Counters and handles are left out. */
export async function pictureOf(agent: PrivateAgent): Promise<string> {
  const { node } = agent;
  const columns = (table: string, names: string): Promise<string> =>
    node.exec(
      "ovs-vsctl",
      `--timeout=${amplePatience / 1_000}`,
      `--db=unix:${node.database}`,
      "--format=csv",
      `--columns=${names}`,
      "list",
      table,
    );
  const nft = async (): Promise<string> =>
    (await node.exec("nft", "-s", "list", "ruleset")).replaceAll(/counter packets \d+ bytes \d+/g, "counter");
  const parts = await Promise.all([
    flowTexts(agent),
    ofctl(agent, "dump-groups"),
    ofctl(agent, "dump-meters"),
    columns("Bridge", "name,fail_mode,protocols,datapath_type"),
    columns("Port", "name,external_ids"),
    columns("Interface", "name,type,ofport,options"),
    node.exec("ip", "route", "show", "proto", "170"),
    node.exec("ip", "route", "show", "proto", "static"),
    node.exec("ip", "-6", "route", "show", "proto", "170"),
    node.exec("ip", "rule", "show"),
    node.exec("ip", "-br", "address", "show", "dev", gateway, "scope", "global"),
    nft(),
    node.exec("sysctl", "net.ipv4.ip_forward"),
  ]);
  return parts
    .map((part) => (typeof part === "string" ? lines(part) : part).toSorted().join("\n"))
    .map((part) => part.replaceAll(/^OFPST_.*reply.*$/gm, ""))
    .join("\n--\n");
}

/** The state of a node where nothing is under way. */
export async function settledPicture(agent: PrivateAgent): Promise<string> {
  for (let before = await pictureOf(agent); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const now = await pictureOf(agent);
    if (now === before) return now;
    before = now;
  }
}

/** Lines that only one of two pictures has. */
export function differing(right: string, seen: string): string {
  const [before, now] = [new Set(right.split("\n")), new Set(seen.split("\n"))];
  return [
    ...[...before].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ].join("\n");
}

/**
 * The bridge's flows but those it learns itself, each with its cookie and actions: for how long they have been there, in seconds, and how many packets they had. A flow
 * that somebody makes anew begins both again.
 */
export async function flowStates(
  agent: PrivateAgent,
): Promise<ReadonlyMap<string, { readonly seconds: number; readonly packets: number }>> {
  const states = new Map<string, { readonly seconds: number; readonly packets: number }>();
  for (const line of lines(await ofctl(agent, "dump-flows", "--no-names"))) {
    const number = (name: string): number => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(line)?.[1] ?? Number.NaN);
    if (!line.includes("cookie=") || learned.includes(number("table"))) continue;
    const key = line.trim().replaceAll(/\b(?:duration|n_packets|n_bytes|idle_age|hard_age)=[\d.]+s?, /g, "");
    states.set(key, { seconds: number("duration"), packets: number("n_packets") });
  }
  return states;
}
