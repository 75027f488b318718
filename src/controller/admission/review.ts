import { badRequest } from "#lib/apiserver/errors.ts";
import { bodyLimitBytes, parseJson, readBody } from "#lib/apiserver/http/body.ts";
import { answerJson } from "#lib/apiserver/http/exchange.ts";
import type { PathExchange } from "#lib/apiserver/http/serve-path.ts";
import type { KubeObject } from "#lib/kube/index.ts";

/** What the Kubernetes API asks a webhook: `AdmissionRequest`, as far as ours look at it. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly username: string;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
}

export interface JsonPatchOperation {
  readonly op: "add" | "replace";
  readonly path: string;
  readonly value: unknown;
}

/** What a webhook answers. */
export interface Verdict {
  /** Why it is refused; absent: it is not. */
  readonly denial?: string;
  readonly warnings?: readonly string[];
  readonly patch?: readonly JsonPatchOperation[];
}

/** A review carries the object as it is to be and as it is, each as large as the Kubernetes API takes one, and some lines around them. */
const reviewLimitBytes = 2 * bodyLimitBytes + 64 * 1024;

/** A path of webhooks over a function that decides. Throws BadRequest for what is no AdmissionReview. */
export function reviewPath(decide: (request: AdmissionRequest) => Verdict | Promise<Verdict>): (exchange: PathExchange) => Promise<void> {
  return async (exchange) => {
    const body = await readBody(exchange.request, reviewLimitBytes);
    const { apiVersion, request } = readReview(body === undefined ? undefined : parseJson(body));
    const { denial, warnings, patch } = await decide(request);
    const response = {
      uid: request.uid,
      allowed: denial === undefined,
      ...(denial !== undefined && { status: { message: denial } }),
      ...(warnings !== undefined && warnings.length > 0 && { warnings }),
      ...(patch !== undefined &&
        patch.length > 0 && { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") }),
    };
    answerJson(exchange, 200, JSON.stringify({ apiVersion, kind: "AdmissionReview", response }));
  };
}

function readReview(value: unknown): { readonly apiVersion: string; readonly request: AdmissionRequest } {
  const review = record(value);
  const request = record(review?.request);
  const uid = request?.uid;
  const operation = request?.operation;
  const known = (["CREATE", "UPDATE", "DELETE", "CONNECT"] as const).find((name) => name === operation);
  if (request === undefined || typeof uid !== "string" || known === undefined)
    throw badRequest("the body is no AdmissionReview with a request");
  const object = objectOf(request.object);
  if (object === undefined && (known === "CREATE" || known === "UPDATE")) throw badRequest("the AdmissionReview carries no object");
  const username = record(request.userInfo)?.username;
  return {
    apiVersion: typeof review?.apiVersion === "string" ? review.apiVersion : "admission.k8s.io/v1",
    request: {
      uid,
      operation: known,
      username: typeof username === "string" ? username : "",
      object,
      oldObject: objectOf(request.oldObject),
    },
  };
}

function objectOf(value: unknown): KubeObject | undefined {
  const object = record(value);
  return record(object?.metadata) === undefined ? undefined : (object as unknown as KubeObject);
}

const record = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
