import assert from "node:assert/strict";
import { test } from "node:test";
import { podRoutes } from "./pod-routes.ts";

test("pods of a node are behind its address of the same family", () => {
  const address = (type: string, text: string) => ({ type, address: text });
  const node = {
    metadata: { name: "node-1" },
    spec: { podCIDRs: ["10.10.0.0/24", "fd00:10:10::/64"] },
    status: { addresses: [address("Hostname", "10.0.0.1"), address("InternalIP", "172.30.0.11"), address("InternalIP", "fd00:172:30::b")] },
  };
  assert.deepEqual(podRoutes(node), ["route replace 10.10.0.0/24 via 172.30.0.11", "route replace fd00:10:10::/64 via fd00:172:30::b"]);
  assert.deepEqual(podRoutes({ ...node, status: { addresses: [address("InternalIP", "fd00::1")] } }), [
    "route replace fd00:10:10::/64 via fd00::1",
  ]);
  assert.deepEqual(podRoutes({ metadata: { name: "node-2" } }), []);
});
