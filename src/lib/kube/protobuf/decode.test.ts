import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kubernetesProtobuf } from "./kubernetes.ts";

/** A field with a length: strings and messages. */
const field = (number: number, content: Buffer | string): Buffer => {
  const bytes = Buffer.from(content);
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
};
const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, value]);
const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields);
const body = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  Buffer.concat([Buffer.from("k8s\0"), field(1, message(field(1, apiVersion), field(2, kind))), field(2, raw)]);

test("a deployment: pointers keep their zero, values leave it out, inline parts join their parent, ports are numbers or names", () => {
  const probe = message(field(1, field(2, message(field(1, "/"), field(2, message(varint(1, 1), field(3, "http")))))), varint(3, 0));
  const container = message(field(1, "main"), field(2, "x"), field(10, probe));
  const template = field(2, field(2, container));
  const spec = message(varint(1, 0), field(3, template), varint(5, 0));
  const metadata = message(field(1, "web"), field(3, ""), field(11, message(field(1, "app"), field(2, "web"))), field(8, ""));
  const decoded = kubernetesProtobuf.decode(body("apps/v1", "Deployment", message(field(1, metadata), field(2, spec))));
  assert.deepEqual(decoded, {
    object: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", labels: { app: "web" } },
      spec: {
        replicas: 0,
        template: { spec: { containers: [{ name: "main", image: "x", livenessProbe: { httpGet: { path: "/", port: "http" } } }] } },
      },
    },
  });
});

test("a zero that Go's JSON shows stays: a version of a custom kind that is not stored", () => {
  const version = field(7, message(field(1, "v2"), varint(2, 1), varint(3, 0), varint(7, 0)));
  const decoded = kubernetesProtobuf.decode(body("apiextensions.k8s.io/v1", "CustomResourceDefinition", message(field(2, version))));
  assert.ok("object" in decoded);
  assert.deepEqual((decoded.object as { spec: { versions: unknown } }).spec.versions, [{ name: "v2", served: true, storage: false }]);
});

test("a secret's bytes are base64", () => {
  const data = field(2, message(field(1, "key"), field(2, Buffer.from([0xff]))));
  assert.deepEqual(kubernetesProtobuf.decode(body("v1", "Secret", data)), {
    object: { apiVersion: "v1", kind: "Secret", data: { key: "/w==" } },
  });
});

test("a kind without a table is named", () => {
  assert.deepEqual(kubernetesProtobuf.decode(body("batch/v1", "Job", Buffer.alloc(0))), { unknownKind: "batch/v1 Job" });
});

test("no bytes throw, hang or grow without bound", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom("v1 Pod", "apps/v1 Deployment"), (noise, type) => {
      const [apiVersion = "", kind = ""] = type.split(" ");
      kubernetesProtobuf.decode(noise);
      const envelope = Buffer.concat([
        Buffer.from("k8s\0"),
        field(1, message(field(1, apiVersion), field(2, kind))),
        Buffer.from([0x12, noise.length & 0x7f]),
        noise,
      ]);
      kubernetesProtobuf.decode(envelope);
    }),
  );
});
