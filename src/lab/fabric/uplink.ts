import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { inNetns, run } from "../command.ts";
import { InvalidLabOption } from "../errors.ts";
import { labPaths } from "../paths.ts";

/**
 * `--uplink`: the one thing the lab does to the host's network. A veth pair joins the fabric to the host, the host translates what comes from
 * it. Everything is in one nftables table and one link, both named after the lab, so that removing them leaves nothing. Forwarding that was off on
 * the host is on as long as the lab lives.
 */
export interface Uplink {
  readonly lab: string;
  readonly fabricNetns: string;
}

/** The two ends of the wire between host and fabric (RFC 3927 link-local and a unique local prefix: no clash with routed networks). */
const ends = { host: { v4: "169.254.111.1", v6: "fd00:172:29::1" }, fabric: { v4: "169.254.111.2", v6: "fd00:172:29::2" } };
const labNetworks = { v4: "172.30.0.0/24", v6: "fd00:172:30::/64" };

const linkPrefix = "antlab-";
/** An interface's name has at most 15 characters; a longer lab's name is told by its digest. */
const linkName = (lab: string): string => linkPrefix + (lab.length <= 8 ? lab : createHash("sha256").update(lab).digest("hex").slice(0, 8));
const tableName = (lab: string): string => `antrea-lab-${lab}`;

const forwarding = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/** Throws {@link InvalidLabOption} while another lab has an uplink: the addresses of both would be the same. */
export async function createUplink({ lab, fabricNetns }: Uplink): Promise<void> {
  const link = linkName(lab);
  const other = readdirSync("/sys/class/net").find((name) => name.startsWith(linkPrefix) && name !== link);
  if (other !== undefined)
    throw new InvalidLabOption(
      "--uplink",
      lab,
      `another lab has the uplink (interface ${other}), and there is one at a time: end that lab first`,
    );
  const batch = (args: readonly string[], lines: readonly string[]): Promise<string> =>
    run("ip", [...args, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  await batch(
    [],
    [
      `link add ${link} type veth peer name uplink netns ${fabricNetns}`,
      `address add ${ends.host.v4}/30 dev ${link}`,
      `address add ${ends.host.v6}/126 dev ${link} nodad`,
      `link set ${link} up`,
      `route add ${labNetworks.v4} via ${ends.fabric.v4} dev ${link}`,
      `route add ${labNetworks.v6} via ${ends.fabric.v6} dev ${link}`,
    ],
  );
  await batch(
    ["-n", fabricNetns],
    [
      `address add ${ends.fabric.v4}/30 dev uplink`,
      `address add ${ends.fabric.v6}/126 dev uplink nodad`,
      "link set uplink up",
      `route add default via ${ends.host.v4} dev uplink`,
      `route add default via ${ends.host.v6} dev uplink`,
    ],
  );
  const fabric = inNetns(fabricNetns, "tee", forwarding);
  await run(fabric.command, fabric.args, { input: "1\n" });
  const off = forwarding.filter((file) => existsSync(file) && readFileSync(file, "utf8").trim() === "0");
  writeFileSync(labPaths(lab).uplinkRecord, JSON.stringify(off));
  for (const file of off) writeFileSync(file, "1");
  const rule = (saddr: string, network: string): string =>
    `add rule inet ${tableName(lab)} postrouting ${saddr} ${network} oifname != "${link}" masquerade`;
  const input = [
    `add table inet ${tableName(lab)}`,
    `add chain inet ${tableName(lab)} postrouting { type nat hook postrouting priority srcnat; }`,
    rule("ip saddr", labNetworks.v4),
    rule("ip6 saddr", labNetworks.v6),
  ].join("\n");
  await run("nft", ["-f", "-"], { input: `${input}\n` });
}

/** Removes what {@link createUplink} made; nothing there is fine. */
export async function removeUplink(lab: string): Promise<void> {
  const record = labPaths(lab).uplinkRecord;
  const off = existsSync(record) ? (JSON.parse(readFileSync(record, "utf8")) as unknown) : [];
  if (Array.isArray(off)) for (const file of forwarding) if (off.includes(file)) writeFileSync(file, "0");
  await run("ip", ["link", "delete", linkName(lab)]).catch(() => {});
  await run("nft", ["delete", "table", "inet", tableName(lab)]).catch(() => {});
}
