import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type ConnectionOptions, connect, getCiphers } from "node:tls";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createAuthority, issueCertificate } from "./certificates.ts";
import { openListener } from "./http/listener.ts";
import { areCipherSuites, tlsLimits } from "./tls-limits.ts";

const runtime = systemRuntime({ level: "error" });
const authority = createAuthority(runtime, { commonName: "test-ca" });
const { certificate, key } = issueCertificate(runtime, authority, { commonName: "api", hosts: ["127.0.0.1"], usages: ["server"] });

/** What a client gets that may speak so. */
async function spoken(limits: ReturnType<typeof tlsLimits>, client: ConnectionOptions): Promise<string> {
  const listener = await openListener(
    { host: "127.0.0.1", port: 0 },
    {
      clock: runtime.clock,
      logger: runtime.logger,
      context: () => ({ cert: certificate, key, ...limits }),
      askForCertificates: false,
      answer: () => {},
    },
  );
  try {
    const socket = connect({ host: "127.0.0.1", port: listener.port, ca: authority.certificate, ALPNProtocols: ["http/1.1"], ...client });
    const outcome = await once(socket, "secureConnect").then(
      () => true,
      () => false,
    );
    socket.on("error", () => {});
    const text = outcome ? `${socket.getProtocol()} ${socket.getCipher().standardName}` : "refused";
    socket.destroy();
    return text;
  } finally {
    await listener.close();
  }
}

const old = { maxVersion: "TLSv1.2", minVersion: "TLSv1.2" } as const;

test("a server speaks the versions and suites that it is given, and no others", async () => {
  const cipherSuites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
  const limits = tlsLimits({ minVersion: "", cipherSuites });
  assert.match(await spoken(limits, old), /^TLSv1\.2 TLS_ECDHE_(ECDSA|RSA)_WITH_AES_256_GCM_SHA384$/);
  assert.equal(await spoken(limits, { ...old, ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256" }), "refused");
  assert.match(await spoken(limits, {}), /^TLSv1\.3 /);
  const newest = tlsLimits({ minVersion: "VersionTLS13", cipherSuites: "" });
  assert.equal(await spoken(newest, old), "refused");
  assert.match(await spoken(newest, {}), /^TLSv1\.3 /);
});

test("suites are known by the names of their registry, and there are as many in OpenSSL", () => {
  for (const known of ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_RSA_WITH_AES_128_CBC_SHA"])
    assert.ok(areCipherSuites(known), known);
  for (const unknown of ["", "ECDHE-RSA-AES128-SHA", "TLS_RSA_WITH_RC4_128_SHA", "TLS_AES_128_GCM_SHA256,"])
    assert.ok(!areCipherSuites(unknown), unknown);
  const all = ["ECDHE_ECDSA", "ECDHE_RSA", "RSA"].flatMap((exchange) =>
    ["128_GCM_SHA256", "256_GCM_SHA384", "128_CBC_SHA256", "128_CBC_SHA", "256_CBC_SHA"].map((rest) => `TLS_${exchange}_WITH_AES_${rest}`),
  );
  const { ciphers = "" } = tlsLimits({ minVersion: "", cipherSuites: all.join(",") });
  const there = new Set(getCiphers());
  for (const cipher of ciphers.split(":")) assert.ok(there.has(cipher.toLowerCase()), cipher);
  assert.equal(ciphers.split(":").length, all.length + 3);
});
