import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IpAddress, Prefix, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import {
  decodeComputedRevisions,
  decodeGroup,
  decodeGroupPatch,
  decodeNetworkPolicy,
  encodeGroup,
  encodeGroupPatch,
  encodeNetworkPolicy,
  type GroupMember,
  memberKey,
  type NetworkPolicy,
  policyRevision,
  policyTypes,
} from "./index.ts";

const overWire = (object: unknown): unknown => JSON.parse(JSON.stringify(object));
/** A JSON-able form to compare by: addresses as text. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

// ::ffff:0:0/96 is IPv4 on the wire, so an IPv6 address inside it does not survive a round trip by design.
const address = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value) => new IpAddress(4, value)),
  fc
    .bigInt(0n, 2n ** 128n - 1n)
    .filter((value) => value >> 32n !== 0xffffn)
    .map((value) => new IpAddress(6, value)),
);
const prefix = fc
  .tuple(address, fc.nat(128))
  .map(([base, length]) => new Prefix(base, base.family === 4 ? length % 33 : length))
  .filter((block) => block.family === 4 || block.address.value >> 32n !== 0xffffn);
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const namespaced = fc.record({ namespace: name, name });
const protocol = fc.constantFrom("TCP", "UDP", "SCTP");
const member: fc.Arbitrary<GroupMember> = fc.record(
  {
    pod: namespaced,
    node: name,
    externalEntity: namespaced,
    service: namespaced,
    ips: fc.array(address, { maxLength: 3 }),
    ports: fc.array(fc.record({ name, port: fc.nat(65_535), protocol }), { maxLength: 3 }),
  },
  { requiredKeys: ["ips", "ports"] },
);
const policy: fc.Arbitrary<NetworkPolicy> = fc.record(
  {
    name,
    uid: name,
    generation: fc.nat(),
    sourceRef: fc.record(
      { type: fc.constantFrom(...policyTypes), namespace: name, name, uid: name },
      { requiredKeys: ["type", "name", "uid"] },
    ),
    appliedToGroups: fc.array(name, { maxLength: 2 }),
    tierPriority: fc.nat(255),
    priority: fc.integer({ min: 1, max: 10_000 }),
    rules: fc.array(
      fc.record(
        {
          direction: fc.constantFrom("In", "Out"),
          peer: fc.record({
            addressGroups: fc.array(name, { maxLength: 2 }),
            ipBlocks: fc.array(fc.record({ cidr: prefix, except: fc.array(prefix, { maxLength: 2 }) }), { maxLength: 2 }),
            fqdns: fc.array(name, { maxLength: 1 }),
            toServices: fc.array(namespaced, { maxLength: 1 }),
            labelIdentities: fc.array(fc.nat(), { maxLength: 1 }),
          }),
          services: fc.array(
            fc.record({ protocol, port: fc.oneof(name, fc.nat(65_535)), endPort: fc.nat(65_535) }, { requiredKeys: ["protocol"] }),
            { maxLength: 2 },
          ),
          priority: fc.integer({ min: -1, max: 100 }),
          action: fc.constantFrom("Allow", "Drop", "Reject", "Pass"),
          enableLogging: fc.boolean(),
          appliedToGroups: fc.array(name, { maxLength: 1 }),
          name,
          logLabel: name,
          l7Protocols: fc.constant([]),
        },
        { requiredKeys: ["direction", "peer", "services", "priority", "action", "enableLogging", "appliedToGroups", "l7Protocols"] },
      ),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ["name", "uid", "generation", "sourceRef", "appliedToGroups", "rules"] },
);

test("a policy survives the wire", () => {
  fc.assert(
    fc.property(policy, (original) => {
      const decoded = decodeNetworkPolicy(overWire(encodeNetworkPolicy(original)));
      assert.deepEqual(plain(decoded), plain({ ok: true, value: original }));
    }),
  );
});

test("what an agent has read has the revision of what the controller computed", () => {
  fc.assert(
    fc.property(policy, fc.boolean(), (original, isStaged) => {
      const computed: NetworkPolicy = isStaged ? { ...original, staged: true } : original;
      const decoded = decodeNetworkPolicy(overWire(encodeNetworkPolicy(computed)));
      assert.ok(decoded.ok);
      assert.equal(policyRevision(decoded.value), policyRevision(computed));
      assert.notEqual(policyRevision(computed), policyRevision(isStaged ? original : { ...original, staged: true }));
      assert.notEqual(policyRevision(computed), policyRevision({ ...computed, appliedToGroups: [...computed.appliedToGroups, "another"] }));
    }),
  );
});

test("groups and their patches survive the wire", () => {
  fc.assert(
    fc.property(name, fc.array(member), fc.array(member), (uid, members, removed) => {
      const group = decodeGroup(overWire(encodeGroup("addressgroups", { name: uid, uid, members })));
      assert.deepEqual(plain(group), plain({ ok: true, value: { name: uid, uid, members } }));
      const patch = decodeGroupPatch(overWire(encodeGroupPatch("appliedtogroups", { name: uid, uid, added: members, removed })));
      assert.deepEqual(plain(patch), plain({ ok: true, value: { name: uid, uid, added: members, removed } }));
    }),
  );
});

test("a member change has the form of the interface sheet", () => {
  const added = [{ pod: { name: "a", namespace: "x" }, ips: [parseAddress("10.10.1.5")], ports: [] }];
  assert.deepEqual(overWire(encodeGroupPatch("addressgroups", { name: "u", uid: "u", added, removed: [] })), {
    kind: "AddressGroupPatch",
    apiVersion: "controlplane.antrea.io/v1beta2",
    metadata: { name: "u", uid: "u" },
    addedGroupMembers: [{ pod: { name: "a", namespace: "x" }, ips: ["CgoBBQ=="] }],
  });
});

test("what the Go controller sends for default deny and for anybody is understood", () => {
  const decoded = decodeNetworkPolicy({
    metadata: { name: "u", uid: "u", creationTimestamp: null },
    rules: [
      { direction: "In", from: {}, to: {}, services: null, enableLogging: false },
      {
        direction: "Out",
        from: {},
        to: { ipBlocks: [{ cidr: { ip: "AAAAAAAAAAAAAP//AAAAAA==" } }, { cidr: { ip: "AAAAAAAAAAAAAAAAAAAAAA==" } }] },
        services: [{ protocol: "TCP", port: "http" }],
        priority: -1,
        action: "Allow",
        enableLogging: true,
      },
    ],
    appliedToGroups: ["g"],
    sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "deny", uid: "u" },
  });
  assert.ok(decoded.ok);
  const [deny, allow] = decoded.value.rules;
  assert.deepEqual(deny?.peer.ipBlocks, []);
  assert.deepEqual(
    allow?.peer.ipBlocks.map(({ cidr }) => cidr.toString()),
    [parsePrefix("0.0.0.0/0"), parsePrefix("::/0")].map(String),
  );
  assert.deepEqual(allow?.services, [{ protocol: "TCP", port: "http" }]);
});

test("an IPv4 block that is written as IPv6 is the IPv4 block; a length that is neither is refused", () => {
  const decoded = (prefixLength: number) =>
    decodeNetworkPolicy({
      metadata: { name: "u" },
      // ::ffff:10.0.0.0
      rules: [{ direction: "In", from: { ipBlocks: [{ cidr: { ip: "AAAAAAAAAAAAAP//CgAAAA==", prefixLength } }] } }],
      appliedToGroups: ["g"],
      sourceRef: { type: "K8sNetworkPolicy", namespace: "shop", name: "deny", uid: "u" },
    });
  const block = (prefixLength: number): string | undefined => {
    const { ok, ...result } = decoded(prefixLength);
    return ok && "value" in result ? String(result.value.rules[0]?.peer.ipBlocks[0]?.cidr) : undefined;
  };
  assert.deepEqual([8, 104, 128, 64].map(block), ["10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/32", undefined]);
});

test("a failure names the place", () => {
  const decoded = decodeGroup({
    metadata: { name: "g" },
    groupMembers: [{ pod: { name: "a", namespace: "x" }, ips: ["CgoBBQ==", "abc"] }],
  });
  assert.deepEqual(decoded, { ok: false, path: "$.groupMembers[0].ips[1]", reason: '"abc" is not base64 of 4 or 16 bytes' });
});

test("arbitrary JSON never throws past the decoders", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything()), fc.string(), (value, annotation) => {
      for (const decode of [decodeNetworkPolicy, decodeGroup, decodeGroupPatch])
        for (const candidate of [value, { metadata: { name: "n" }, rules: value, groupMembers: value, sourceRef: value }])
          assert.equal(typeof decode(candidate).ok, "boolean");
      assert.equal(typeof decodeComputedRevisions(annotation).ok, "boolean");
    }),
  );
});

test("the order of addresses and ports does not change a member's identity", () => {
  fc.assert(
    fc.property(member, (original) => {
      const reversed = { ...original, ips: original.ips.toReversed(), ports: original.ports.toReversed() };
      assert.equal(memberKey(reversed), memberKey(original));
    }),
  );
});
