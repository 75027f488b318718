import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { type Duration, hours, minutes } from "#lib/runtime/duration.ts";
import { virtualRuntime } from "#lib/runtime/runtime.ts";
import { keepRenewed } from "./keep-renewed.ts";
import type { NodeCertificates } from "./node-certificates.ts";

/** A node whose certificates live for `life`, and whose signer does what `answer` says. */
async function node(life: Duration, answer: () => void = () => {}) {
  const runtime = virtualRuntime({ seed: 7 });
  const authority = createAuthority(runtime, { commonName: "cluster" });
  const stop = new AbortController();
  const asked: { readonly as: "administrator" | "node"; readonly at: number }[] = [];
  const published: NodeCertificates[] = [];
  const start = runtime.clock.wall();
  const issue = (as: "administrator" | "node"): NodeCertificates => {
    asked.push({ as, at: runtime.clock.wall() - start });
    answer();
    const pair = (usages: readonly ("client" | "server")[]) =>
      issueCertificate(runtime, authority, { commonName: "system:node:lab-1", usages, validity: life });
    return { client: pair(["client"]), serving: pair(["server"]) };
  };
  await keepRenewed({
    runtime,
    node: "lab-1",
    first: async () => issue("administrator"),
    again: async () => issue("node"),
    publish: async (certificates) => void published.push(certificates),
    signal: stop.signal,
  });
  /** Lets `span` go by in steps of a minute, and what is due in each happen. */
  const pass = async (span: Duration): Promise<void> => {
    for (let passed = 0; passed < span; passed += minutes(1)) {
      runtime.clock.advance(minutes(1));
      await turn();
    }
  };
  return { runtime, asked, published, pass, stop };
}

test("a node asks for new certificates itself, between 70 and 90 % of the life of the old ones", async () => {
  const { asked, published, pass, stop } = await node(hours(9));
  await pass(hours(24));
  stop.abort();
  assert.deepEqual(asked[0], { as: "administrator", at: 0 });
  // The certificates are dated back by an hour: a life of ten hours, of which one is over when they are made.
  const gaps = asked.slice(1).map(({ as, at }, index) => ({ as, after: at - (asked[index]?.at ?? 0) }));
  assert.ok(gaps.length >= 3, `${gaps.length} renewals in 24 hours`);
  for (const { as, after } of gaps) {
    assert.equal(as, "node");
    assert.ok(after >= hours(6) && after <= hours(8) + minutes(1), `renewed after ${after / minutes(1)} minutes`);
  }
  assert.equal(published.length, asked.length);
});

test("a signer that is away is asked again; certificates that expired meanwhile are asked for by the administrator", async () => {
  let away = false;
  const { asked, published, pass, stop } = await node(hours(1), () => {
    if (away) throw new Error("the signer is away");
  });
  away = true;
  await pass(hours(3));
  assert.equal(published.length, 1);
  const tries = asked.slice(1).map(({ as }) => as);
  assert.equal(tries[0], "node");
  assert.equal(tries.at(-1), "administrator");
  away = false;
  await pass(minutes(13));
  assert.equal(published.length, 2, "not asked again within the longest wait");
  stop.abort();
  await pass(hours(3));
  assert.equal(published.length, 2, "asked after the end");
});

test("certificates shorter than their backdating are asked for once a minute, not all the time", async () => {
  const { asked, pass, stop } = await node(minutes(5));
  await pass(minutes(30));
  stop.abort();
  assert.ok(asked.length > 3 && asked.length <= 31, `asked ${asked.length} times in half an hour`);
});

test("without a first answer there is nothing to keep", async () => {
  await assert.rejects(
    node(hours(1), () => {
      throw new Error("no such kind");
    }),
    /no such kind/,
  );
});
