import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createAuthority, issueCertificate } from "#lib/apiserver/certificates.ts";
import { hours, systemClock, systemRandom, virtualClock } from "#lib/runtime/index.ts";
import { clientCertificates } from "./client-certificates.ts";
import { readClusterAuthorities } from "./cluster-authorities.ts";
import { providedCertificate, renewBefore, selfSignedCertificate } from "./serving-certificate.ts";

const sources = { clock: systemClock, random: systemRandom };
const folder = await mkdtemp(join(tmpdir(), "policy-serving-"));
after(() => rm(folder, { recursive: true }));

test("a self-signed certificate is kept over restarts and replaced in time", async () => {
  const options = { folder: join(folder, "own"), namespace: "kube-system" };
  const first = await selfSignedCertificate(sources, options);
  assert.ok(new X509Certificate(first.certificate).checkHost("antrea.kube-system.svc"));
  assert.deepEqual(await selfSignedCertificate(sources, options), first);
  const later = virtualClock({ epoch: Date.now() + hours(24 * 365) - renewBefore + hours(1) });
  const renewed = await selfSignedCertificate({ ...sources, clock: later }, options);
  assert.notEqual(renewed.certificate, first.certificate);
  await writeFile(join(folder, "own", "tls.crt"), "broken");
  assert.notDeepEqual(await selfSignedCertificate(sources, options), renewed);
});

test("a provided certificate that is missing is told by folder and way out", async () => {
  await assert.rejects(providedCertificate("/none"), /^UnusableCertificate: \/none: .*Secret antrea-controller-tls/);
});

test("headers of a front proxy count only with its certificate and an allowed name", async () => {
  const users = createAuthority(sources, { commonName: "users" });
  const proxies = createAuthority(sources, { commonName: "proxies" });
  const certificate = (authority: typeof users, commonName: string) =>
    new X509Certificate(issueCertificate(sources, authority, { commonName, organizations: ["ops"], usages: ["client"] }).certificate);
  const authenticator = clientCertificates({
    clock: systemClock,
    authorities: () =>
      readClusterAuthorities({
        "client-ca-file": users.certificate,
        "requestheader-client-ca-file": proxies.certificate,
        "requestheader-allowed-names": '["front-proxy"]',
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
      }),
  });
  const userOf = (peer: X509Certificate | undefined) =>
    authenticator.authenticate({
      socket: { getPeerX509Certificate: () => peer },
      headersDistinct: { "x-remote-user": ["alice"], "x-remote-group": ["a", "b"], "x-remote-extra-scopes": ["s"] },
    } as unknown as IncomingMessage);
  assert.deepEqual(await userOf(certificate(proxies, "front-proxy")), { username: "alice", groups: ["a", "b"], extra: { scopes: ["s"] } });
  assert.equal(await userOf(certificate(proxies, "other")), undefined);
  assert.deepEqual(await userOf(certificate(users, "bob")), { username: "bob", groups: ["ops"] });
  assert.equal(await userOf(undefined), undefined);
});

test("unreadable authorities are trusted by nobody", () => {
  assert.deepEqual(readClusterAuthorities({ "requestheader-client-ca-file": "x", "requestheader-username-headers": "{" }), {
    clientCa: "",
  });
});
