import assert from "node:assert/strict";
import { it } from "node:test";
import { parseAddress } from "#lib/ip/index.ts";
import { announcement } from "./announce.ts";
import { hostInterfaceName, podMac } from "./names.ts";

it("names interfaces as Antrea's tools expect them", () => {
  const name = (podName: string, podInterface = "eth0"): string => hostInterfaceName({ podName, containerId: "abc", podInterface });
  // SHA-1 of "abc" begins a9993e, of "abcnet1" with something else.
  assert.equal(name("web"), "web-a9993e");
  assert.equal(name("frontend-5d4f"), "frontend-a9993e");
  assert.equal(name("-strange-name"), "strange-a9993e");
  assert.notEqual(name("web", "net1"), "web-a9993e");
});

it("gives equal addresses equal MAC addresses, locally administered and unicast", () => {
  assert.equal(String(podMac([parseAddress("10.1.2.3"), parseAddress("fd00::3")])), "0a:58:0a:01:02:03");
  const v6 = podMac([parseAddress("fd00::3")]);
  assert.equal(String(v6), String(podMac([parseAddress("fd00::3")])));
  assert.equal((v6.bytes()[0] ?? 0) & 0x03, 2);
});

it("announces addresses of both families", () => {
  const mac = podMac([parseAddress("10.1.2.3")]);
  const hex = (address: string): string => Buffer.from(announcement(parseAddress(address), mac)).toString("hex");
  assert.equal(hex("10.1.2.3"), "ffffffffffff0a580a01020308060001080006040001" + "0a580a0102030a010203" + "0000000000000a010203");
  const address = "fd000000000000000000000000000003";
  const advertisement = hex("fd00::3");
  assert.ok(advertisement.startsWith(`3333000000010a580a01020386dd6000000000203aff${address}ff0200000000000000000000000000018800`));
  assert.ok(advertisement.endsWith(`20000000${address}02010a580a010203`));
});
