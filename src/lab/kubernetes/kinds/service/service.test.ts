import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { services } from "#lib/kube/kinds.ts";
import type { Resource } from "#lib/kube/resource.ts";
import { cluster, create, namespace, patch, refused, row } from "../../testing/objects.ts";
import type { FullService } from "./types.ts";

const fullServices = services as Resource<FullService>;

describe("services", () => {
  const ports = [{ port: 80 }];

  it("get addresses of their families, and keep them", async () => {
    const single = await create(fullServices, "single", { spec: { ports } });
    assert.deepEqual([single.spec?.ipFamilies, single.spec?.ipFamilyPolicy], [["IPv4"], "SingleStack"]);
    assert.match(single.spec?.clusterIP ?? "", /^10\.96\./);
    const dual = await create(fullServices, "dual", { spec: { ports, ipFamilyPolicy: "RequireDualStack" } });
    assert.match(dual.spec?.clusterIPs?.join() ?? "", /^10\.96\.[\d.]+,fd00:10:96::/);
    const six = await create(fullServices, "six", { spec: { ports, ipFamilies: ["IPv6"] } });
    assert.match(six.spec?.clusterIP ?? "", /^fd00:10:96::/);
    const replaced = await cluster().client.update(fullServices, {
      metadata: { name: "dual", namespace },
      spec: { ports: [{ port: 81 }] },
    });
    assert.deepEqual(replaced.spec?.clusterIPs, dual.spec?.clusterIPs);
    assert.deepEqual(await refused(patch(fullServices, "single", { spec: { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9"] } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
  });

  it("refuse addresses that are taken or of another block", async () => {
    await create(fullServices, "fixed", { spec: { ports, clusterIP: "10.96.0.10" } });
    assert.deepEqual(await refused(create(fullServices, "again", { spec: { ports, clusterIP: "10.96.0.10" } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
    assert.deepEqual(await refused(create(fullServices, "other", { spec: { ports, clusterIP: "10.1.0.10" } })), [
      "spec.clusterIPs[0]: Invalid value",
    ]);
  });

  it("may be headless, external, or on node ports", async () => {
    const headless = await create(fullServices, "headless", { spec: { ports, clusterIP: "None" } });
    assert.deepEqual(headless.spec?.clusterIPs, ["None"]);
    const external = await create(fullServices, "external", { spec: { type: "ExternalName", externalName: "example.org" } });
    assert.equal(external.spec?.clusterIP, undefined);
    const node = await create(fullServices, "node-port", { spec: { type: "NodePort", ports } });
    assert.equal(node.spec?.ports?.[0]?.nodePort, 30_000);
    assert.deepEqual(
      await refused(create(fullServices, "taken", { spec: { type: "NodePort", ports: [{ port: 80, nodePort: 30_000 }] } })),
      ["spec.ports[0].nodePort: Invalid value"],
    );
    const printed = await row(`/api/v1/namespaces/${namespace}/services/node-port`);
    assert.deepEqual([printed.Type, printed["Port(s)"], printed["External-IP"]], ["NodePort", "80:30000/TCP", "<none>"]);
  });

  it("are refused with the path of every wrong field", async () => {
    const spec = { type: "Proxy", sessionAffinity: "Cookie", ports: [{ port: 80 }, { port: 0, name: "UPPER", protocol: "ICMP" }] };
    assert.deepEqual(await refused(create(fullServices, "bad", { spec })), [
      "spec.type: Unsupported value",
      "spec.sessionAffinity: Unsupported value",
      "spec.ports[0].name: Required value",
      "spec.ports[1].name: Invalid value",
      "spec.ports[1].port: Invalid value",
      "spec.ports[1].protocol: Unsupported value",
      "spec.ports[1].targetPort: Invalid value",
    ]);
  });
});
