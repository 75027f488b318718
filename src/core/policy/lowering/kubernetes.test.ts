import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkPolicy } from "#lib/kube/index.ts";
import { lowerKubernetesPolicy } from "./kubernetes.ts";

const lower = (spec: NetworkPolicy["spec"] & object) =>
  lowerKubernetesPolicy({ metadata: { namespace: "shop", name: "p", uid: "u" }, spec });

test("policyTypes decides: listed without rules isolates, unlisted with rules is dead text", () => {
  assert.deepEqual(
    lower({ policyTypes: ["Egress"], ingress: [{}] }).policy.rules.map(({ direction, ipBlocks, peers }) => [direction, ipBlocks, peers]),
    [["Out", [], []]],
  );
  assert.deepEqual(
    lower({ egress: [{}] }).policy.rules.map(({ direction, ipBlocks }) => [direction, ipBlocks.length]),
    [
      ["In", 0],
      ["Out", 2],
    ],
  );
});

test("what cannot be used matches nothing, and is told with its place", () => {
  const { policy, problems } = lower({
    ingress: [
      { from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["ten"] } }, { podSelector: {} }], ports: [{ protocol: "ICMP" }] },
      { from: [{ podSelector: { matchExpressions: [{ key: "a", operator: "Like" }] } }, {}] },
      { ports: [{ port: "web", endPort: 90 }] },
    ],
  });
  assert.deepEqual(
    policy.rules.map(({ peers, ipBlocks, services }) => [peers.length, ipBlocks.length, services.length]),
    [
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ],
  );
  assert.deepEqual(
    problems.map((problem) => problem.split(":")[0]),
    ["spec.ingress[0].ports[0].protocol", "spec.ingress[1].from[0]", "spec.ingress[1].from[1]", "spec.ingress[2].ports[0].endPort"],
  );
});

test("a block of IPv4 that is written as IPv6 is the IPv4 block, and so are its exceptions", () => {
  const { policy } = lower({
    ingress: [
      {
        from: [
          { ipBlock: { cidr: "::ffff:10.1.0.0/112", except: ["::ffff:10.1.2.0/120", "10.1.3.0/24"] } },
          { ipBlock: { cidr: "::ffff:10.0.0.0/90" } },
        ],
      },
    ],
  });
  assert.deepEqual(
    policy.rules.flatMap(({ ipBlocks }) => ipBlocks.map(({ cidr, except }) => [String(cidr), ...except.map(String)])),
    [["10.1.0.0/16", "10.1.2.0/24", "10.1.3.0/24"], ["::ffc0:0:0/90"]],
  );
});

test("an exception that covers its whole block leaves nothing of it", () => {
  const { policy, problems } = lower({
    ingress: [
      {
        from: [{ ipBlock: { cidr: "10.1.0.0/16", except: ["10.0.0.0/8"] } }, { ipBlock: { cidr: "10.1.0.0/16", except: ["10.2.0.0/16"] } }],
      },
    ],
  });
  assert.deepEqual(
    policy.rules.map(({ ipBlocks }) => ipBlocks.map(({ except }) => except.map(String))),
    [[["10.2.0.0/16"]]],
  );
  assert.match(problems.join(), /^spec\.ingress\[0\]\.from\[0\]\.ipBlock\.except\[0\]: covers all of 10\.1\.0\.0\/16/);
});
