import { createHash } from "node:crypto";
import { run } from "../command.ts";
import type { Network, LabSpec } from "../spec.ts";

/**
 * The way from somebody else's API server to the nodes of a lab (kubelets' ports, antrea-controller): one veth pair between the fabric and the network
 * namespace that the API server runs in, and there a route to the nodes. No NAT, and nothing of it when the lab is gone.
 */
export interface Wire {
  readonly spec: LabSpec;
  readonly fabricNetns: string;
  readonly network: Network;
}

/** The two ends (RFC 3927 link-local and a unique local prefix: no clash with routed networks). */
const ends = { outside: { v4: "169.254.112.1", v6: "fd00:172:28::1" }, fabric: { v4: "169.254.112.2", v6: "fd00:172:28::2" } };

/** An interface's name has at most 15 characters. */
const linkName = (lab: string): string => `antwire-${createHash("sha256").update(lab).digest("hex").slice(0, 6)}`;

const outsideOf = (spec: LabSpec): readonly string[] => (spec.apiNetns === undefined ? [] : ["-n", spec.apiNetns]);

export async function createWire({ spec, fabricNetns, network }: Wire): Promise<void> {
  const link = linkName(spec.name);
  const outside = outsideOf(spec);
  const batch = (args: readonly string[], lines: readonly string[]): Promise<string> =>
    run("ip", [...args, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  await batch(outside, [
    `link add ${link} type veth peer name wire netns ${fabricNetns}`,
    `address add ${ends.outside.v4}/30 dev ${link}`,
    `address add ${ends.outside.v6}/126 dev ${link} nodad`,
    `link set ${link} up`,
    `route add ${network.v4} via ${ends.fabric.v4} dev ${link}`,
    `route add ${network.v6} via ${ends.fabric.v6} dev ${link}`,
  ]);
  await batch(
    ["-n", fabricNetns],
    [
      `address add ${ends.fabric.v4}/30 dev wire`,
      `address add ${ends.fabric.v6}/126 dev wire nodad`,
      "link set wire up",
      `route add default via ${ends.outside.v4} dev wire`,
      `route add default via ${ends.outside.v6} dev wire`,
    ],
  );
  for (const file of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
    await run("nsenter", [`--net=/var/run/netns/${fabricNetns}`, "--", "sysctl", "-q", "-w", `${file}=1`]);
}

/** At once: with the fabric alone it would go when the kernel comes to it, and its routes with it. A namespace or link that is gone is fine. */
export async function removeWire({ spec }: Pick<Wire, "spec">): Promise<void> {
  await run("ip", [...outsideOf(spec), "link", "delete", linkName(spec.name)]).catch(() => {});
}
