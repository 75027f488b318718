import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import { createAuthority } from "#lib/apiserver/certificates.ts";
import { hours, seededRandom, virtualClock } from "#lib/runtime/index.ts";
import { signedBy } from "./cluster-authorities.ts";
import { type AuthorityData, bundleOf, nextAuthorities, readAuthorities, writeAuthorities } from "./authorities.ts";
import { issueServingCertificate, needsReplacement } from "./serving-certificate.ts";

const namespace = "kube-system";

/** The Secret, as two replicas write it: over the version that was read, or not at all. */
function sharedSecret() {
  const secret: { version: number; data: AuthorityData; refused: number } = { version: 1, data: {}, refused: 0 };
  return {
    secret,
    write(version: number, data: AuthorityData): void {
      if (version !== secret.version) secret.refused++;
      else {
        secret.data = data;
        secret.version++;
      }
    },
  };
}

test("in three years of renewals no server shows what clients of a day ago do not trust", () => {
  const clock = virtualClock();
  const { secret, write } = sharedSecret();
  const replicas = [1, 2].map((seed) => ({
    sources: { clock, random: seededRandom(seed) },
    pair: undefined as { certificate: string; key: string } | undefined,
  }));
  const step = hours(24);
  let trusted = "";
  const signers = new Set<string>();
  for (let passed = 0; passed < hours(24 * 365 * 3); passed += step) {
    // Both look at the same moment, and write what they came to.
    const looks = replicas.map(({ sources }) => ({
      version: secret.version,
      wanted: nextAuthorities(sources, readAuthorities(secret.data)),
    }));
    for (const { version, wanted } of looks) if (wanted !== undefined) write(version, writeAuthorities(wanted));
    const present = readAuthorities(secret.data);
    assert.ok(present !== undefined);
    for (const replica of replicas) {
      const signing = { signer: present.current, namespace };
      if (replica.pair === undefined || needsReplacement(replica.sources, replica.pair, signing))
        replica.pair = issueServingCertificate(replica.sources, signing);
      const shown = new X509Certificate(replica.pair.certificate);
      if (trusted !== "") assert.ok(signedBy(shown, trusted), `not trusted after ${passed / hours(24)} days`);
      assert.ok(shown.validToDate.getTime() > clock.wall() + hours(24), `ends after ${passed / hours(24)} days`);
      assert.ok(shown.checkHost("antrea.kube-system.svc"));
    }
    signers.add(present.current.certificate);
    trusted = bundleOf(present);
    assert.ok(trusted.length < 4_000, "what has ended is forgotten");
    clock.advance(step);
  }
  assert.equal(signers.size, 4);
  assert.ok(secret.refused >= 4, "both write at the same time, and one is told to read anew");
});

test("replicas that were all away until the authority had ended make a new one at once", () => {
  const clock = virtualClock();
  const sources = { clock, random: seededRandom(1) };
  const first = nextAuthorities(sources, undefined);
  assert.ok(first !== undefined);
  clock.advance(hours(24 * 400));
  const later = nextAuthorities(sources, first);
  assert.ok(later !== undefined);
  assert.notEqual(later.current.certificate, first.current.certificate);
  assert.equal(bundleOf(later), later.current.certificate);
});

test("what is no pair is not taken, and the key is not told", () => {
  const sources = { clock: virtualClock(), random: seededRandom(1) };
  const [one, other] = [1, 2].map(() => createAuthority(sources, { commonName: "a" }));
  const base64 = (text = ""): string => Buffer.from(text).toString("base64");
  for (const data of [
    { "ca.crt": base64(one?.certificate), "ca.key": base64(other?.key) },
    { "ca.crt": base64(one?.certificate) },
    { "ca.crt": base64("x"), "ca.key": base64("y") },
    { "ca.crt": base64(one?.certificate), "ca.key": base64(one?.key), "next.crt": base64("x"), "next.key": base64("y") },
  ])
    assert.throws(() => readAuthorities(data), /^UnusableAuthority: Secret antrea-ca: (ca|next)\.key does not belong to (ca|next)\.crt/);
  assert.equal(readAuthorities({}), undefined);
  assert.equal(readAuthorities({ other: base64("x") }), undefined);
});
