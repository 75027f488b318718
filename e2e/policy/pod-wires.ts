import { namespaceOf, shortNameOf } from "#core/policy/cases/fixture.ts";
import { type IpAddress, type MacAddress, parseAddress, parseMac } from "#lib/ip/index.ts";
import { type FrameSocket, openFrameSocket } from "#lib/netlink/testing/frame-socket.ts";
import { run } from "../../src/lab/command.ts";
import { labPaths } from "../../src/lab/paths.ts";

/** Where a pod's link to the switch is. */
export interface PodLink {
  /** `x-1/a`. */
  readonly pod: string;
  readonly node: string;
  readonly mac: MacAddress;
  readonly gatewayMac: MacAddress;
  readonly addresses: readonly IpAddress[];
  readonly networkNamespace: string;
}

/** A pod's end of its link to the switch, for frames made by hand. */
export interface PodWire extends PodLink {
  readonly socket: FrameSocket;
}

type Row = Readonly<Record<string, unknown>>;

/** Of the moment: a socket that stays open collects what everybody sends. */
export const openPodWire = (link: PodLink): PodWire => ({
  ...link,
  socket: openFrameSocket({ networkNamespace: link.networkNamespace, link: "eth0" }),
});

/** Where the pods (`x-1/a`) are: what the switches' databases say, as the agents wrote it there. */
export async function findPodLinks({ lab, pods }: { readonly lab: string; readonly pods: readonly string[] }): Promise<readonly PodLink[]> {
  const paths = labPaths(lab);
  const found = await Promise.all(
    ["node-1", "node-2"].map(async (node) => {
      const database = `unix:${paths.node(node).ovs}/db.sock`;
      const [gateway] = await rows(database, "Interface", ["mac_in_use"], "name=antrea-gw0");
      const gatewayMac = parseMac(String(gateway?.mac_in_use));
      const ports = await rows(database, "Port", ["external_ids"], "external_ids:antrea-type=container");
      return ports.flatMap(({ external_ids: ids }): PodLink[] => {
        const id = mapOf(ids);
        const pod = `${id.get("pod-namespace")}/${id.get("pod-name")}`;
        if (!pods.includes(pod)) return [];
        return [
          {
            pod,
            node,
            mac: parseMac(id.get("attached-mac") ?? ""),
            gatewayMac,
            addresses: (id.get("ip-address") ?? "").split(",").map(parseAddress),
            networkNamespace: id.get("net-ns") ?? "",
          },
        ];
      });
    }),
  );
  return found.flat();
}

async function rows(database: string, table: string, columns: readonly string[], condition: string): Promise<Row[]> {
  const args = [`--db=${database}`, "--format=json", `--columns=${columns.join(",")}`, "find", table, condition];
  const { headings, data } = JSON.parse(await run("ovs-vsctl", args)) as {
    readonly headings: readonly string[];
    readonly data: readonly (readonly unknown[])[];
  };
  return data.map((row) => Object.fromEntries(headings.map((heading, index) => [heading, row[index]])));
}

/** RFC 7047 §5.1: `["map", [[key, value], …]]`. */
const mapOf = (value: unknown): ReadonlyMap<string, string> => new Map((value as readonly [string, readonly [string, string][]])[1]);

export const podOf = (end: string, namespace: (name: string) => string): string => `${namespace(namespaceOf(end))}/${shortNameOf(end)}`;
