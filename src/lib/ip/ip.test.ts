import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IpAddress, parseAddress, tryParseAddress } from "./address.ts";
import { parseMac, tryParseMac } from "./mac.ts";
import { parsePrefix, tryParsePrefix } from "./prefix.ts";

test("addresses print canonically (RFC 5952)", () => {
  const rows: [string, string][] = [
    ["10.0.0.1", "10.0.0.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::", "::"],
    ["1::", "1::"],
    ["::1", "::1"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ];
  for (const [text, canonical] of rows) assert.equal(parseAddress(text).toString(), canonical, text);
});

test("what is no address is refused", () => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.5",
    ":::",
    "1::2::3",
    "12345::",
    "::1%eth0",
    "1.2.3.4::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7::8:9",
  ])
    assert.equal(tryParseAddress(text), undefined, text);
});

test("text and bytes of any address round-trip", () => {
  const any = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
  fc.assert(
    fc.property(any, (bytes) => {
      const address = IpAddress.fromBytes(bytes);
      assert.ok(parseAddress(address.toString()).equals(address));
      assert.deepEqual(address.bytes(), bytes);
    }),
  );
});

test("prefixes clear host bits and know what they hold", () => {
  const prefix = parsePrefix("10.1.2.3/16");
  assert.equal(prefix.toString(), "10.1.0.0/16");
  assert.equal(prefix.contains(parseAddress("10.1.255.255")), true);
  assert.equal(prefix.contains(parseAddress("10.2.0.0")), false);
  assert.equal(parsePrefix("0.0.0.0/0").contains(parseAddress("::1")), false);
  assert.equal(parsePrefix("fd00::/8").covers(parsePrefix("fd12::/64")), true);
  for (const text of ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "/8", "10.0.0.0/08"])
    assert.equal(tryParsePrefix(text), undefined, text);
});

test("MAC addresses round-trip", () => {
  assert.equal(parseMac("AA:bb:cc:dd:ee:ff").toString(), "aa:bb:cc:dd:ee:ff");
  assert.deepEqual([...parseMac("00:00:00:00:01:02").bytes()], [0, 0, 0, 0, 1, 2]);
  assert.equal(tryParseMac("aa:bb"), undefined);
});
