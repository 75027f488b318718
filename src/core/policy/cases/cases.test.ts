import assert from "node:assert/strict";
import { test } from "node:test";
import type { IpAddress } from "#lib/ip/index.ts";
import { absentCases, orderedCases, policyCases } from "./catalogue.ts";
import type { PolicyCase, Verdict } from "./case.ts";
import { type CaseCluster, changed, fixtureCluster } from "./cluster.ts";
import { arithmeticPlace } from "./arithmetic-place.ts";
import { type Place, worldOf } from "./place.ts";
import { formatProbe, type Probe, probesOf } from "./probes.ts";
import { type FirstPacket, type Judgement, judgeAll, type World } from "./reference.ts";

/** What the reference says where rows of a case disagree with it. */
function disagreements(policyCase: PolicyCase): string[] {
  let cluster = fixtureCluster();
  return policyCase.steps.flatMap((step, index) => {
    cluster = step.changes.reduce(changed, cluster);
    const place = arithmeticPlace(cluster);
    const world = worldOf(cluster, place);
    return probesOf(policyCase, step, cluster).flatMap((probe) => {
      const judgements = judgeAll(world, packetOf(probe, { cluster, place, world }));
      const may = judgements === "refused" ? ["refused"] : verdictsOf(judgements);
      return may.includes(probe.expected)
        ? []
        : [
            `${policyCase.id} step ${index}: ${formatProbe(probe)} ${probe.expected}, but ${judgements === "refused" ? "nobody serves" : judgements.map(({ reason }) => reason).join("; ")}`,
          ];
    });
  });
}

/** What is seen of a new connection that is judged so: whether somebody listens is not the policies' concern. */
function verdictsOf(judgements: readonly Judgement[]): readonly Verdict[] {
  if (judgements.every(({ allowed }) => allowed)) return ["ok", "refused"];
  if (judgements.every(({ rejected }) => rejected)) return ["refused"];
  return judgements.some(({ allowed }) => allowed) ? ["some"] : ["drop"];
}

function packetOf(probe: Probe, { place, world, cluster }: { place: Place; world: World; cluster: CaseCluster }): FirstPacket {
  // A pod on the host's network has its node's addresses.
  const end = (name: string): string => {
    const found = cluster.pods.get(name);
    return found?.hostNetwork ? found.node : name;
  };
  const pod = world.pods.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === probe.from);
  return {
    from: pod === undefined ? { node: probe.from } : { pod },
    source: addressOf(place, end(probe.from), probe),
    destination: addressOf(place, end(probe.to), probe),
    protocol: probe.protocol.toUpperCase(),
    ...(probe.protocol === "icmp" || probe.protocol === "ip" ? {} : { port: probe.port }),
    ...(probe.sourcePort !== undefined && { sourcePort: probe.sourcePort }),
  };
}

function addressOf(place: Place, end: string, { family }: Probe): IpAddress {
  const address = place.address(end, family);
  assert.ok(address);
  return address;
}

for (const policyCase of [...policyCases, ...orderedCases])
  test(`${policyCase.id}: the rows say what the text says`, () => {
    assert.deepEqual(disagreements(policyCase), []);
  });

test("every number stands once, and none is both there and left out", () => {
  const ids = [...policyCases, ...orderedCases, ...absentCases].map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
});

test("all of E.1 is there or says why not", () => {
  const ids = new Set([...policyCases, ...absentCases].map(({ id }) => id));
  const missing = Array.from({ length: 50 }, (_, index) => `E.1-${index + 1}`).filter((id) => !ids.has(id));
  assert.deepEqual(missing, []);
});

test("every item of part A is there or says why not", () => {
  const named = new Set(
    [...policyCases.flatMap(({ id, also = [] }) => [id, ...also]), ...absentCases.map(({ id }) => id)].map(
      (id) => /^[A-Z]\.\d+(?:\.\d+)?/.exec(id)?.[0],
    ),
  );
  const items: Readonly<Record<string, number>> = { "A.1": 8, "A.2": 4, "A.3": 7, "A.4": 6, "A.5": 6, "A.7": 6, "A.8": 5, "A.9": 5 };
  const wanted = Object.entries(items).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `${section}.${index + 1}`),
  );
  assert.deepEqual(
    wanted.filter((item) => !named.has(item)),
    [],
  );
});
