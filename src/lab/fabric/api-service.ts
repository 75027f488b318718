import { tryParsePrefix } from "#lib/ip/index.ts";
import { inNetns, run } from "../command.ts";
import { apiNetworkOf, apiServerPort, firstAddress, type LabSpec } from "../spec.ts";

/**
 * On a bare node nobody serves ClusterIPs to the node itself, as kube-proxy does elsewhere, and Pods on the node's network reach the API by one:
 * this is the lab's stand-in for kube-proxy, for the Service `kubernetes` alone.
 */
export async function forwardApiService({ netns, spec }: { readonly netns: string; readonly spec: LabSpec }): Promise<void> {
  const own = firstAddress(apiNetworkOf(spec));
  const service = tryParsePrefix(spec.serviceCidrs[0] ?? "")?.address.plus(1n);
  if (service === undefined) return;
  const [keyword, server] = service.family === 4 ? ["ip", `${own.v4}`] : ["ip6", `[${own.v6}]`];
  const rules = [
    `add table ${keyword} antrea-lab-api`,
    `add chain ${keyword} antrea-lab-api output { type nat hook output priority -100; }`,
    `add rule ${keyword} antrea-lab-api output ${keyword} daddr ${service} tcp dport 443 dnat to ${server}:${apiServerPort}`,
  ];
  const { command, args } = inNetns(netns, "nft", ["-f", "-"]);
  await run(command, args, { input: `${rules.join("\n")}\n` });
}
