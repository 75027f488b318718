import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type IpAddress, parseAddress, parsePrefix } from "#lib/ip/index.ts";
import { createAddressPool } from "./address-pool.ts";

describe("address pool", () => {
  const block4 = parsePrefix("10.0.0.0/29");
  const block6 = parsePrefix("fd00::/64");

  it("gives one address of each family, and leaves network, gateway and broadcast out", () => {
    const used: IpAddress[] = [];
    const pool = createAddressPool({ used: () => used, quarantined: () => false });
    const given: string[] = [];
    for (let count = 0; count < 5; count++) {
      const allocations = pool.allocate([block4, block6]);
      assert.deepEqual(
        allocations.map(({ gateway, prefixLength }) => `${gateway} ${prefixLength}`),
        ["10.0.0.1 29", "fd00::1 64"],
      );
      given.push(String(allocations[0]?.address));
    }
    assert.deepEqual(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
    assert.throws(() => pool.allocate([block4]), /101|pod CIDR 10\.0\.0\.0\/29 of this node has no free address: all 5 are taken/);
    assert.throws(() => pool.allocate([parsePrefix("10.0.0.0/31")]), /too small/);
  });

  it("comes back to an address as late as possible, and never to one in quarantine", () => {
    const quarantined = new Set(["10.0.0.3"]);
    const pool = createAddressPool({ used: () => [], quarantined: (address) => quarantined.has(address) });
    const next = (): string => {
      const allocations = pool.allocate([block4]);
      pool.release(allocations);
      return String(allocations[0]?.address);
    };
    assert.deepEqual([next(), next(), next(), next(), next()], ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]);
    for (const last of [2, 4, 5, 6]) quarantined.add(`10.0.0.${last}`);
    assert.throws(next, /5 of them kept back/);
  });

  it("never gives an address twice, whatever comes and goes", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant("add" as const), fc.nat(9)), { maxLength: 60 }), (steps) => {
        const used: IpAddress[] = [parseAddress("10.0.0.4")];
        const pool = createAddressPool({ used: () => used, quarantined: () => false });
        for (const step of steps) {
          if (step !== "add") used.splice(step % Math.max(1, used.length), 1);
          else if (used.length < 5) {
            const allocations = pool.allocate([block4]);
            for (const { address } of allocations) {
              assert.ok(!used.some((other) => other.equals(address)));
              used.push(address);
            }
            pool.release(allocations);
          }
        }
      }),
    );
  });
});
