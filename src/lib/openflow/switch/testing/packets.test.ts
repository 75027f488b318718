import assert from "node:assert/strict";
import { test } from "node:test";
import { MacAddress } from "#lib/ip/index.ts";
import { virtualRuntime } from "#lib/runtime/index.ts";
import { parseFlow } from "../../flow.ts";
import { createMemorySwitch } from "../memory-switch.ts";
import { type PacketTable, packets, tryRow } from "./packets.ts";

const { clock, random } = virtualRuntime({ seed: 1 });
const memory = createMemorySwitch({ clock, random, ports: [1, 2, 9].map((number) => ({ number })) });
memory.apply(
  [
    "tcp,nw_dst=10.0.0.2,tcp_dst=80 actions=output:2",
    "udp6,udp_dst=53,in_port=9 actions=output:1",
    "sctp,sctp_dst=7,nw_src=192.0.2.1 actions=output:2",
  ].map((text) => ({
    command: "add",
    flow: parseFlow(text),
  })),
);
const table: PacketTable = {
  memory,
  find(name) {
    const number = { "shop/web": 1, "shop/db": 2 }[name];
    if (number === undefined) return undefined;
    return {
      port: number,
      mac: new MacAddress(BigInt(number)),
      address: (family) => (family === 4 ? `10.0.0.${number}` : `fd00::${number}`),
    };
  },
  outside: { port: 9, mac: new MacAddress(9n) },
};

packets("rows of names and addresses", table, [
  ["shop/web", "shop/db", "80/tcp", "allow", 4],
  ["shop/web", "shop/db", "80/tcp", "drop", 6],
  ["shop/web", "shop/db", "icmp", "drop"],
  ["2001:db8::1", "shop/web", "53/udp", "allow"],
  ["192.0.2.1", "shop/db", "7/sctp", "allow"],
]);

test("a row that is wrong is told with the packet's way", () => {
  const failure = tryRow(table, ["shop/web", "shop/db", "80/tcp", "allow"]);
  assert.match(failure ?? "", /IPv6: expected allow, went to nowhere\nFlow: tcp6,in_port=1,[\s\S]* 0\. No match\./);
  assert.equal(tryRow(table, ["shop/web", "nobody", "80/tcp", "allow"]), "shop/web → nobody: no address family that both have");
});
