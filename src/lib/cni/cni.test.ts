import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import {
  type AddResult,
  CniError,
  type CniRequest,
  decodeReply,
  decodeRequest,
  encodeMessage,
  formatResult,
  parseNetworkConfig,
  parseParameters,
  requestForm,
} from "./index.ts";

const request = (change: Partial<CniRequest> = {}): CniRequest => ({
  form: requestForm,
  command: "ADD",
  containerId: "c1",
  netns: "/run/netns/a",
  ifname: "eth0",
  args: "IgnoreUnknown=1;K8S_POD_NAME=web",
  path: "/opt/cni/bin",
  config: "{}",
  ...change,
});

const config = (change: object = {}): string =>
  JSON.stringify({ cniVersion: "1.0.0", name: "antrea", type: "antrea", ipam: { type: "host-local" }, ...change });

describe("messages", () => {
  it("survive the way and back", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, args) => {
        const sent = request({ config: text, args });
        const line = encodeMessage(sent);
        assert.equal(line.indexOf("\n"), line.length - 1);
        assert.deepEqual(decodeRequest(line), { ok: true, value: sent });
      }),
    );
  });

  it("never throw, whatever comes", () => {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((text) => `{"form":1,"error":${text},"command":${text}}`),
    );
    fc.assert(
      fc.property(anything, (line) => {
        decodeRequest(line);
        decodeReply(line);
      }),
    );
    assert.deepEqual(decodeRequest('{"form":1,"command":3}'), { ok: false, reason: "field command is no text" });
    assert.deepEqual(decodeReply('{"error":null}'), { ok: false, reason: "neither a result nor an error" });
  });
});

describe("network configuration", () => {
  const refused = (text: string): string => {
    try {
      parseNetworkConfig(text);
    } catch (error) {
      if (error instanceof CniError) return `${error.number} ${error.message}`;
      throw error;
    }
    return "accepted";
  };

  it("is refused with the field's name", () => {
    assert.match(refused("{"), /^6 network configuration on standard input is no JSON/);
    assert.equal(refused("[]"), "7 network configuration: network configuration is no object");
    assert.equal(refused(config({ name: undefined })), "7 network configuration: name is missing");
    assert.match(refused(config({ cniVersion: "2.0.0" })), /^1 cniVersion "2.0.0" is none of 0\.1\.0, .* 1\.1\.0$/);
    assert.equal(refused(config({ mtu: -1 })), "7 network configuration: mtu -1 is no whole number from 0 to 65535");
    assert.equal(refused(config({ prevResult: { ips: [{}] } })), "7 network configuration: prevResult.ips[0].address is missing");
    assert.equal(refused(config({ dns: { search: [1] } })), "7 network configuration: dns.search is no list of texts");
    assert.equal(
      refused(config({ "cni.dev/valid-attachments": [{ containerID: "a" }] })),
      "7 network configuration: cni.dev/valid-attachments[0].ifname is missing",
    );
  });

  it("takes what the runtime wants for DNS before what the file says", () => {
    const dns = { nameservers: ["10.96.0.10"], search: ["a"], domain: "d" };
    const runtimeConfig = { dns: { servers: ["1.1.1.1"] } };
    assert.deepEqual(parseNetworkConfig(config({ dns, runtimeConfig })).dns, { nameservers: ["1.1.1.1"], search: ["a"], domain: "d" });
  });

  it("is of version 0.1.0 when it does not say", () => {
    assert.equal(parseNetworkConfig(config({ cniVersion: undefined })).version, "0.1.0");
  });

  it("fails with an error of ours for any JSON", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        const outcome = refused(text);
        assert.match(outcome, /^(\d+ |accepted)/);
      }),
    );
  });
});

describe("parameters", () => {
  it("are refused with the variable's name", () => {
    assert.throws(() => parseParameters(request({ containerId: "../x" })), /CNI_CONTAINERID is "\.\.\/x"/);
    assert.throws(() => parseParameters(request({ ifname: "a/b" })), /CNI_IFNAME/);
    assert.throws(() => parseParameters(request({ netns: "" })), /CNI_NETNS/);
    assert.throws(() => parseParameters(request({ args: "nonsense" })), /CNI_ARGS/);
    assert.equal(parseParameters(request({ netns: "" }), { netnsOptional: true }).netns, "");
    assert.equal(parseParameters(request()).args.get("K8S_POD_NAME"), "web");
  });
});

describe("results", () => {
  const result: AddResult = {
    interfaces: [
      { name: "web-1a2b3c", mac: parseMac("02:00:00:00:00:01") },
      { name: "eth0", mac: parseMac("0a:58:0a:00:00:02"), sandbox: "/run/netns/a" },
    ],
    addresses: [
      { address: parseAddress("10.0.0.2"), prefixLength: 24, gateway: parseAddress("10.0.0.1"), interfaceIndex: 1 },
      { address: parseAddress("fd00::2"), prefixLength: 64, gateway: parseAddress("fd00::1"), interfaceIndex: 1 },
    ],
    routes: [
      { destination: "0.0.0.0/0", gateway: parseAddress("10.0.0.1") },
      { destination: "::/0", gateway: parseAddress("fd00::1") },
    ],
    dns: {},
  };

  it("have the form of each version", () => {
    assert.deepEqual(formatResult(result, "1.1.0"), {
      cniVersion: "1.1.0",
      interfaces: [
        { name: "web-1a2b3c", mac: "02:00:00:00:00:01" },
        { name: "eth0", mac: "0a:58:0a:00:00:02", sandbox: "/run/netns/a" },
      ],
      ips: [
        { interface: 1, address: "10.0.0.2/24", gateway: "10.0.0.1" },
        { interface: 1, address: "fd00::2/64", gateway: "fd00::1" },
      ],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.0.0.1" },
        { dst: "::/0", gw: "fd00::1" },
      ],
      dns: {},
    });
    assert.partialDeepStrictEqual(formatResult(result, "0.4.0"), { ips: [{ version: "4" }, { version: "6" }] });
    assert.deepEqual(formatResult(result, "0.2.0"), {
      cniVersion: "0.2.0",
      ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1" }] },
      ip6: { ip: "fd00::2/64", gateway: "fd00::1", routes: [{ dst: "::/0", gw: "fd00::1" }] },
      dns: {},
    });
  });

  it("can be read back as the previous result", () => {
    const previous = parseNetworkConfig(config({ prevResult: formatResult(result, "1.0.0") })).previous;
    assert.deepEqual(previous?.addresses, ["10.0.0.2/24", "fd00::2/64"]);
    assert.deepEqual(previous?.interfaces[1], { name: "eth0", mac: "0a:58:0a:00:00:02", sandbox: "/run/netns/a" });
  });
});
