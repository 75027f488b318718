import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parseMac } from "#lib/ip/index.ts";
import { createTable } from "#lib/table/index.ts";
import type { OvsReplica } from "./bridge.ts";
import { createPortClaims, podOfports } from "./port-claims.ts";

type InterfaceRow = { uuid: string; name: string; ofport: number | undefined; ofport_request: number | undefined };

function setUp() {
  const interfaces = createTable<InterfaceRow>({ name: "Interface", key: ({ uuid }) => uuid, indexes: { name: ({ name }) => [name] } });
  const listeners = new Set<() => void>();
  const replica = { tables: { Interface: interfaces }, onChange: (listener: () => void) => void listeners.add(listener) };
  const claims = createPortClaims(replica as unknown as OvsReplica);
  return {
    claims,
    database(row: Omit<InterfaceRow, "uuid">) {
      interfaces.upsert({ uuid: row.name, ...row });
      for (const listener of listeners) listener();
    },
  };
}

const pod = (name: string) => ({
  interfaceName: name,
  mac: parseMac("0a:58:0a:05:00:02"),
  addresses: [parseAddress("10.5.0.2")],
  podNamespace: "shop",
  podName: name,
  containerId: name,
  podInterface: "eth0",
  netns: "/n",
});

test("a claim gets a number that no port has or asks for, and keeps it from others", () => {
  const { claims, database } = setUp();
  const { first } = podOfports;
  database({ name: "a", ofport: first, ofport_request: undefined });
  database({ name: "b", ofport: undefined, ofport_request: first + 1 });
  assert.deepEqual([claims.claim(pod("web")), claims.claim(pod("db"))], [first + 2, first + 3]);
  claims.release("web");
  assert.equal(claims.claim(pod("api")), first + 4, "a number comes back as late as possible");
  assert.deepEqual(
    [...claims.rows()].map(({ interfaceName, ofport }) => [interfaceName, ofport]),
    [
      ["db", first + 3],
      ["api", first + 4],
    ],
  );
});

test("numbers begin anew after the last one", () => {
  const { claims, database } = setUp();
  for (let count = podOfports.first; count <= podOfports.last; count++) {
    claims.claim(pod("web"));
    if (count === podOfports.first) database({ name: "kept", ofport: count, ofport_request: undefined });
  }
  assert.equal(claims.claim(pod("db")), podOfports.first + 1);
});

test("a claim ends when the database shows the port with a number, be it another one", () => {
  const { claims, database } = setUp();
  const asked = claims.claim(pod("web"));
  database({ name: "web", ofport: 7, ofport_request: undefined });
  assert.equal([...claims.rows()].length, 1, "the port of a former attempt");
  database({ name: "web", ofport: -1, ofport_request: asked });
  assert.equal([...claims.rows()].length, 1);
  database({ name: "web", ofport: asked + 5, ofport_request: asked });
  assert.equal([...claims.rows()].length, 0);
});
