import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { seconds } from "#lib/runtime/duration.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createAuthority, issueCertificate } from "./certificates.ts";

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "test-ca" });

test("a server and a client with certificates of one authority trust each other, over IPv6 too", async () => {
  const server = issueCertificate(runtime, authority, { commonName: "api", hosts: ["localhost", "127.0.0.1", "::1"], usages: ["server"] });
  const client = issueCertificate(runtime, authority, {
    commonName: "admin",
    organizations: ["system:masters", "ops"],
    usages: ["client"],
  });
  for (const host of ["127.0.0.1", "::1"]) {
    const listener = createServer({ cert: server.certificate, key: server.key, ca: authority.certificate, requestCert: true }).listen(
      0,
      host,
    );
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const accepted = once(listener, "secureConnection") as Promise<[TLSSocket]>;
    const socket = connect({ host, port, ca: authority.certificate, cert: client.certificate, key: client.key });
    await once(socket, "secureConnect");
    const [peer] = await accepted;
    assert.equal(peer.authorized, true);
    const { subject } = peer.getPeerCertificate();
    assert.deepEqual([subject.CN, subject.O], ["admin", ["system:masters", "ops"]]);
    socket.destroy();
    listener.close();
  }
});

test("a certificate of another authority with the same name does not verify", () => {
  const stranger = createAuthority(runtime, { commonName: "test-ca" });
  const { certificate } = issueCertificate(runtime, stranger, { commonName: "admin", usages: ["client"] });
  assert.equal(new X509Certificate(certificate).verify(new X509Certificate(authority.certificate).publicKey), false);
  assert.equal(new X509Certificate(certificate).verify(new X509Certificate(stranger.certificate).publicKey), true);
});

test("names, hosts and validity are read back as they were asked for", () => {
  const { certificate } = issueCertificate(runtime, authority, {
    commonName: "kübelet",
    hosts: ["node-0.lab", "10.0.0.1", "fd00::1"],
    usages: ["server", "client"],
    validity: seconds(90),
  });
  const read = new X509Certificate(certificate);
  assert.equal(read.subject, "CN=kübelet");
  assert.equal(read.issuer, "CN=test-ca");
  assert.equal(read.subjectAltName, "DNS:node-0.lab, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1");
  assert.equal(read.ca, false);
  assert.deepEqual(read.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  const left = Date.parse(read.validTo) - Date.now();
  assert.ok(left > 80_000 && left <= 90_000, `${left} ms left`);
});
