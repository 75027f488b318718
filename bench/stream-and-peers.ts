import { encodeGroup, encodeNetworkPolicy } from "../src/core/api/controlplane/index.ts";
import { fromAnybody, fromGroups, group, member, numbers, policy, rule, tcp } from "./policy-rows.ts";

const setSize = 250;

/** What a controller sends to a node where policies name `peers` addresses, the stream's sender among the admitted. */
export function streamAndPeers(peers: number): Readonly<Record<string, readonly object[]>> {
  const sets = numbers(Math.ceil(peers / setSize));
  const groupOf = (set: number) => [...numbers(Math.min(setSize, peers - set * setSize), set * setSize)].map((number) => member(number));
  return {
    addressgroups: sets.map((set) => encodeGroup("addressgroups", group(`peers-${set}`, groupOf(set)))),
    appliedtogroups: [
      encodeGroup("appliedtogroups", group("server", [{ pod: { namespace: "shop", name: "server" }, ips: [], ports: [] }])),
    ],
    networkpolicies: [
      encodeNetworkPolicy(policy("stream", "server", rule({ peer: fromAnybody, services: [{ protocol: "UDP", port: 30_000 }] }))),
      ...sets.map((set) =>
        encodeNetworkPolicy(policy(`policy-${set}`, "server", rule({ peer: fromGroups(`peers-${set}`), services: tcp(80, 1_000 + set) }))),
      ),
    ],
  };
}
