import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { hours, minutes } from "#lib/runtime/duration.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import { createAuthority, signCertificate } from "./certificates.ts";
import { createSigningRequest } from "./signing-request.ts";
import { type ReadSigningRequest, readSigningRequest } from "./signing-request-read.ts";
import { pemOf } from "./x509.ts";

const node = {
  commonName: "system:node:nöde",
  organizations: ["system:nodes", "more"],
  hosts: ["node.lab", "10.0.0.1", "fd00::1"],
};

function readOf(pem: string): ReadSigningRequest {
  const reading = readSigningRequest(pem);
  assert.ok("request" in reading, "problem" in reading ? reading.problem : "");
  return reading.request;
}
const problemOf = (pem: string): string => {
  const reading = readSigningRequest(pem);
  return "problem" in reading ? reading.problem : "nothing";
};
const bytesOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]*-----/g, ""), "base64");

test("a request is read as it was made, and becomes a certificate of its key and names", () => {
  const { request, key } = createSigningRequest(node);
  const read = readOf(request);
  assert.deepEqual([read.commonName, read.organizations], [node.commonName, node.organizations]);
  assert.deepEqual([read.dnsNames, read.addresses, read.otherNames], [["node.lab"], ["10.0.0.1", "fd00::1"], 0]);
  const runtime = systemRuntime({ level: "error" });
  const authority = createAuthority(runtime, { commonName: "test-ca" });
  const signed = new X509Certificate(
    signCertificate(runtime, authority, { ...read, usages: ["server"], validity: hours(24 * 365 * 100), backdating: minutes(5) }),
  );
  assert.equal(signed.subjectAltName, "DNS:node.lab, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1");
  assert.equal(signed.subject, "O=system:nodes\nO=more\nCN=system:node:nöde");
  assert.deepEqual(signed.publicKey.export({ format: "jwk" }), createPublicKey(key).export({ format: "jwk" }));
  const issuer = new X509Certificate(authority.certificate);
  assert.ok(signed.verify(issuer.publicKey));
  assert.ok(Math.abs(Date.parse(signed.validTo) - Date.parse(issuer.validTo)) <= 2_000, "it lasts no longer than its authority");
});

test("requests of openssl, with keys of other kinds and names of other kinds, are read too", () => {
  const folder = mkdtempSync(join(tmpdir(), "antrea-requests-"));
  try {
    for (const kind of ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384", "ed25519"]) {
      const file = join(folder, "request.pem");
      execFileSync(
        "openssl",
        [
          ...["req", "-new", "-newkey", ...kind.split(" "), "-nodes", "-keyout", join(folder, "key.pem"), "-out", file],
          ...[
            "-subj",
            "/O=system:nodes/CN=system:node:a",
            "-addext",
            "subjectAltName=DNS:a.lab,IP:10.0.0.2,email:a@lab,URI:spiffe://lab/a",
          ],
        ],
        { stdio: "ignore" },
      );
      const { commonName, organizations, dnsNames, addresses, otherNames } = readOf(readFileSync(file, "utf8"));
      assert.deepEqual(
        [commonName, organizations, dnsNames, addresses, otherNames],
        ["system:node:a", ["system:nodes"], ["a.lab"], ["10.0.0.2"], 2],
        kind,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is no request, or is signed by another key, is told, whatever its bytes are", () => {
  const { request } = createSigningRequest(node);
  assert.match(problemOf("hello"), /PEM block type must be CERTIFICATE REQUEST/);
  assert.match(problemOf(request.replaceAll(" REQUEST", "")), /PEM block type must be CERTIFICATE REQUEST/);
  assert.match(problemOf(`${request}${"x".repeat(70_000)}`), /longer than/);
  const bytes = bytesOf(request);
  const place = bytes.indexOf("node.lab");
  bytes.write("nodf.lab", place);
  assert.match(problemOf(pemOf("CERTIFICATE REQUEST", bytes)), /signature is not by its key/);
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (at, change, cut) => {
      const changed = bytesOf(request);
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ change;
      // A byte that is changed where the signature is may still be a signature; elsewhere it is told.
      readSigningRequest(pemOf("CERTIFICATE REQUEST", changed));
      assert.notEqual(problemOf(pemOf("CERTIFICATE REQUEST", changed.subarray(0, cut % changed.length))), "nothing");
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (any) => problemOf(pemOf("CERTIFICATE REQUEST", Buffer.from(any))) !== "nothing"),
  );
});
