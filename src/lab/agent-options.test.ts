import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { datapathOf, isChained, readAgentOptions } from "./agent-options.ts";

test("keys with values and files, later ones over earlier ones", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "agent-options-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "agent.conf");
  writeFileSync(file, "trafficEncapMode: noEncap\nfeatureGates: { Egress: false }\n");
  assert.deepEqual(
    readAgentOptions([file, "featureGates.AntreaProxy=true", "noSNAT=true", "defaultMTU=1300", "transportInterfaceCIDRs=[fd00::/8]"]),
    {
      trafficEncapMode: "noEncap",
      featureGates: { Egress: false, AntreaProxy: true },
      noSNAT: true,
      defaultMTU: 1300,
      transportInterfaceCIDRs: ["fd00::/8"],
    },
  );
  assert.equal(isChained(readAgentOptions(["trafficEncapMode=NetworkPolicyOnly"])), true);
  assert.equal(isChained({}), false);
  assert.equal(datapathOf(readAgentOptions(["ovsDatapathType=system"])), "system");
  assert.equal(datapathOf({}), "netdev");
});

test("what cannot be is refused, with what was given", () => {
  const refused = (given: string): string => {
    try {
      readAgentOptions([given]);
    } catch (error) {
      return String((error as Error).message);
    }
    return "accepted";
  };
  assert.match(refused("/no/such/file"), /--agent-config: "\/no\/such\/file": is neither KEY=VALUE nor a file that can be read/);
  assert.match(refused("runDir=/tmp"), /"runDir": the lab sets this key itself/);
  assert.match(refused("a=[1"), /is not YAML/);
  assert.match(refused("ovsDatapathType=dpdk"), /ovsDatapathType=.*dpdk.*must be one of netdev, system/);
});
