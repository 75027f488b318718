import { parseAddress, parseMac } from "#lib/ip/index.ts";
import type { LocalPort } from "../../rows.ts";
import type { PolicyCompiler } from "../compiler.ts";

/** The pod `shop/web` of a node. */
export const webPort: LocalPort = {
  interfaceName: "web",
  ofport: 5,
  mac: parseMac("0a:00:00:00:00:05"),
  addresses: [parseAddress("10.0.0.5")],
  podNamespace: "shop",
  podName: "web",
  containerId: "c",
};

/** Tells a compiler of {@link webPort} and of the group `web`, which has that pod alone. */
export function addWebPod(compiler: PolicyCompiler): void {
  compiler.setPort(webPort);
  compiler.setAppliedToGroup({ name: "web", uid: "web", members: [{ pod: { namespace: "shop", name: "web" }, ips: [], ports: [] }] });
}
