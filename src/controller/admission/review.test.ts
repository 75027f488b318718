import assert from "node:assert/strict";
import { type IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { test } from "node:test";
import { completePolicy } from "./defaults.ts";
import { checkPolicy } from "./policies.ts";
import { type AdmissionRequest, reviewPath, type Verdict } from "./review.ts";

interface Answer {
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly message: string };
    readonly patch?: string;
  };
}

async function ask(decide: (request: AdmissionRequest) => Verdict, review: object): Promise<Answer> {
  const body = Buffer.from(JSON.stringify(review));
  const request = Object.assign(Readable.from([body]), { method: "POST", headers: { "content-length": String(body.length) } });
  const response = new ServerResponse(request as unknown as IncomingMessage);
  let text = "";
  response.end = ((answer: Uint8Array) => {
    text = Buffer.from(answer).toString("utf8");
  }) as never;
  await reviewPath(decide)({ request, response, warnings: [] } as never);
  return JSON.parse(text) as Answer;
}

const rules = (count: number) =>
  Array.from({ length: count }, (_, number) => ({
    action: "Drop",
    from: [{ podSelector: { matchLabels: { app: `a${number}` } } }],
    ports: [{ protocol: "TCP", port: number + 1 }],
  }));
const policy = (count: number) => ({
  metadata: { name: "big" },
  spec: { priority: 1, appliedTo: [{ podSelector: {} }], ingress: rules(count) },
});
const review = (object: object) => ({
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: { uid: "u", operation: "UPDATE", userInfo: { username: "somebody" }, object, oldObject: object },
});

test("a policy as large as the Kubernetes API takes one is checked and completed, with what it was beside it", async () => {
  const object = policy(14_000);
  assert.ok(JSON.stringify(object).length > 1.5e6 && JSON.stringify(review(object)).length > 3 * 1024 * 1024);
  const checked = await ask((request) => checkPolicy(request, { tierExists: true, l7NetworkPolicy: false }), review(object));
  assert.deepEqual(checked.response, { uid: "u", allowed: true });
  const { patch = "" } = (await ask(completePolicy, review(object))).response;
  const [ingress] = JSON.parse(Buffer.from(patch, "base64").toString("utf8")) as { readonly path: string; readonly value: unknown[] }[];
  assert.deepEqual([ingress?.path, ingress?.value.length], ["/spec/ingress", 14_000]);
});

test("a denial is told as a status with its message", async () => {
  const { response } = await ask(() => ({ denial: "no (spec.priority)" }), review(policy(1)));
  assert.deepEqual(response, { uid: "u", allowed: false, status: { message: "no (spec.priority)" } });
});
