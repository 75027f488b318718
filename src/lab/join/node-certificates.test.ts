import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createAuthority } from "#lib/apiserver/certificates.ts";
import { KubeApiError, type KubeClient } from "#lib/kube/index.ts";
import { systemRuntime } from "#lib/runtime/runtime.ts";
import type { CertificateSigningRequest } from "../kubernetes/kinds/certificate/types.ts";
import { issueNodeCertificates } from "./node-certificates.ts";

const runtime = systemRuntime({ level: "error" });
const folder = mkdtempSync(join(tmpdir(), "antrea-signer-"));
after(() => rmSync(folder, { recursive: true }));

/** A cluster whose signer is openssl. It signs what was approved, with the names that were asked for. */
function cluster(answer: (request: CertificateSigningRequest) => CertificateSigningRequest["status"]) {
  const kept = new Map<string, CertificateSigningRequest>();
  const approved: CertificateSigningRequest[] = [];
  const api = {
    async create(_: unknown, object: CertificateSigningRequest) {
      const name = `${object.metadata.generateName}x`;
      kept.set(name, { ...object, metadata: { name } });
      return kept.get(name);
    },
    async update(_: unknown, object: CertificateSigningRequest, { subresource }: { readonly subresource: string }) {
      assert.equal(subresource, "approval");
      assert.deepEqual(
        object.status?.conditions?.map(({ type, status }) => [type, status]),
        [["Approved", "True"]],
      );
      approved.push(object);
      kept.set(object.metadata.name ?? "", { ...object, status: answer(object) ?? {} });
    },
    get: async (_: unknown, { name }: { readonly name: string }) => kept.get(name),
    delete: async (_: unknown, { name }: { readonly name: string }) => void kept.delete(name),
  };
  return { client: api as unknown as KubeClient, approved, kept };
}

const authority = createAuthority(runtime, { commonName: "cluster" });
for (const [name, text] of Object.entries({ "ca.crt": authority.certificate, "ca.key": authority.key }))
  writeFileSync(join(folder, name), text);

function sign({ spec }: CertificateSigningRequest): CertificateSigningRequest["status"] {
  const input = Buffer.from(spec.request, "base64");
  const signing = [
    "x509",
    "-req",
    "-CA",
    join(folder, "ca.crt"),
    "-CAkey",
    join(folder, "ca.key"),
    "-days",
    "1",
    "-copy_extensions",
    "copy",
  ];
  return { certificate: execFileSync("openssl", signing, { input, stdio: ["pipe", "pipe", "ignore"] }).toString("base64") };
}

const wanted = { runtime, name: "lab-1", addresses: ["172.30.128.11", "fd00::11"], signal: new AbortController().signal };

test("a kubelet gets a certificate to come as its node, and one to be known by under its names", async () => {
  const { client, approved, kept } = cluster(sign);
  const certificates = await issueNodeCertificates({ ...wanted, asker: client, approver: client });
  for (const { certificate, key } of Object.values(certificates)) {
    const read = new X509Certificate(certificate);
    assert.equal(read.subject, "O=system:nodes\nCN=system:node:lab-1");
    assert.ok(read.verify(new X509Certificate(authority.certificate).publicKey));
    assert.ok(read.checkPrivateKey(createPrivateKey(key)));
  }
  assert.equal(
    new X509Certificate(certificates.serving.certificate).subjectAltName,
    "DNS:lab-1, IP Address:172.30.128.11, IP Address:FD00:0:0:0:0:0:0:11",
  );
  assert.equal(new X509Certificate(certificates.client.certificate).subjectAltName, undefined);
  assert.deepEqual(approved.map(({ spec }) => [spec.signerName, ...spec.usages]).sort(), [
    ["kubernetes.io/kube-apiserver-client-kubelet", "digital signature", "client auth"],
    ["kubernetes.io/kubelet-serving", "digital signature", "server auth"],
  ]);
  assert.equal(kept.size, 0, "a request that was answered is still there");
});

test("a signer that refuses is quoted, and nothing of the request stays", async () => {
  const { client, kept } = cluster(() => ({ conditions: [{ type: "Failed", status: "True", message: "usages are wrong" }] }));
  await assert.rejects(
    issueNodeCertificates({ ...wanted, asker: client, approver: client }),
    /CERTIFICATE_NOT_ISSUED|signer kubernetes\.io\/.*: usages are wrong/,
  );
  assert.equal(kept.size, 0);
});

test("a cluster that approves by itself, and is first, is no hindrance", async () => {
  const { client, approved, kept } = cluster(sign);
  const conflict = new KubeApiError("PUT", 409, {
    apiVersion: "v1",
    kind: "Status",
    status: "Failure",
    reason: "Conflict",
    message: "the object has been modified",
  });
  const overtaken: Partial<KubeClient> = {
    async update(_resource, object) {
      const asked = object as unknown as CertificateSigningRequest;
      const conditions = [{ type: "Approved", status: "True", reason: "AutoApproved" }];
      kept.set(asked.metadata.name ?? "", { ...asked, status: { conditions, ...sign(asked) } });
      throw conflict;
    },
  };
  const approver = { ...client, ...overtaken };
  const { client: certificate } = await issueNodeCertificates({ ...wanted, asker: client, approver });
  assert.equal(new X509Certificate(certificate.certificate).subject, "O=system:nodes\nCN=system:node:lab-1");
  assert.deepEqual([approved.length, kept.size], [0, 0]);
  const stubborn = { ...client, update: () => Promise.reject(conflict) };
  await assert.rejects(issueNodeCertificates({ ...wanted, asker: client, approver: stubborn }), /has been modified/);
});
