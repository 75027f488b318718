import { setTimeout as pause } from "node:timers/promises";
import { seconds } from "#lib/runtime/duration.ts";
import { readFlags } from "./flags.ts";
import { asWire, type ReviewAnswer, serveReviews, type Wire } from "./review-server.ts";

type Rule = (request: Wire, options: { readonly sidecarImage: string }) => ReviewAnswer | Promise<ReviewAnswer>;

const allowed: Wire = { allowed: true };
const denied = (status: Wire): Wire => ({ allowed: false, status });

/** What each path of the image's webhook has against objects, or does to them. Labels, keys and messages are those that suites look for. */
const rules: Readonly<Record<string, Rule>> = {
  "/always-allow-delay-5s": () => pause(seconds(5), allowed),
  "/always-deny": () => denied({ message: "this webhook denies all requests" }),
  "/add-label": addLabel,
  "/pods": admitPod,
  "/pods/attach": admitAttachment,
  "/mutating-pods": (request) =>
    field(request, "object", "metadata", "name") === "webhook-to-be-mutated"
      ? addContainer(request, "initContainers", { name: "webhook-added-init-container", image: "webhook-added-image" })
      : allowed,
  "/mutating-pods-sidecar": (request, { sidecarImage }) =>
    sidecarImage === ""
      ? denied({ message: "No image specified by the sidecar-image parameter", code: 500 })
      : addContainer(request, "containers", { name: "webhook-added-sidecar", image: sidecarImage }),
  "/configmaps": (request) => admitData(request, "configmap", "contains unwanted key and value"),
  "/mutating-configmaps": nextStage,
  "/custom-resource": (request) => admitData(request, "custom resource", "contains unwanted data"),
  "/mutating-custom-resource": nextStage,
  "/crd": (request) =>
    field(request, "object", "metadata", "labels", "webhook-e2e-test") === "webhook-disallow"
      ? denied({ message: "the crd contains unwanted label" })
      : allowed,
};

/** `webhook --tls-cert-file=FILE --tls-private-key-file=FILE [--port=443] [--sidecar-image=IMAGE]`: admission reviews, a rule for each path. */
export async function webhook(args: readonly string[], print: (line: string) => void): Promise<never> {
  const flags = readFlags(withoutLogFlags(args), ["tls-cert-file", "tls-private-key-file", "port", "sidecar-image"]);
  const options = { sidecarImage: flags.text("sidecar-image", "") };
  const port = await serveReviews({
    certFile: flags.text("tls-cert-file", ""),
    keyFile: flags.text("tls-private-key-file", ""),
    port: flags.number("port", 443),
    kind: "AdmissionReview",
    async answer({ path, request }) {
      const rule = Object.hasOwn(rules, path) ? rules[path] : undefined;
      return rule === undefined ? undefined : { response: await rule(request, options) };
    },
  });
  print(`Reviewing on port ${port}`);
  return new Promise(() => {});
}

/** Suites pass the flags of Kubernetes' log library, and what they would do with a shell. */
export function withoutLogFlags(args: readonly string[]): string[] {
  return args.filter((arg) => !/^(-v=\d+|--v=\d+|--(also)?logtostderr(=\w+)?|2>&1)$/.test(arg));
}

function addLabel(request: Wire): Wire {
  const labels = asWire(field(request, "object", "metadata", "labels"));
  if (labels["added-label"] === "yes") return allowed;
  const op = "added-label" in labels ? "replace" : "add";
  return Object.keys(labels).length === 0
    ? patched({ op: "add", path: "/metadata/labels", value: { "added-label": "yes" } })
    : patched({ op, path: "/metadata/labels/added-label", value: "yes" });
}

function admitPod(request: Wire): ReviewAnswer {
  const wish = field(request, "object", "metadata", "labels", "webhook-e2e-test");
  if (wish === "wait-forever") return undefined;
  const names = elements(field(request, "object", "spec", "containers")).map(({ name }) => String(name));
  const complaints = [
    ...(wish === "webhook-disallow" ? ["the pod contains unwanted label;"] : []),
    ...names.filter((name) => name.includes("webhook-disallow")).map(() => "the pod contains unwanted container name;"),
  ];
  return complaints.length === 0 ? allowed : denied({ message: complaints.join(" ") });
}

function admitAttachment(request: Wire): Wire {
  const { stdin, container } = asWire(request.object);
  const isRefused = request.name === "to-be-attached-pod" && stdin === true && container === "container1";
  return isRefused ? denied({ message: "attaching to pod 'to-be-attached-pod' is not allowed" }) : allowed;
}

function addContainer(request: Wire, list: "initContainers" | "containers", container: { name: string; image: string }): Wire {
  const present = elements(field(request, "object", "spec", list));
  if (present.some(({ name }) => name === container.name)) return allowed;
  const added = { ...container, resources: {} };
  return patched(
    list === "containers"
      ? { op: "add", path: "/spec/containers/-", value: added }
      : { op: "add", path: "/spec/initContainers", value: [added] },
  );
}

/** Refuses what has the wrong value under the suites' key to be written, or deleted. */
function admitData({ operation, ...request }: Wire, kind: string, unwanted: string): Wire {
  const value = field(request, operation === "DELETE" ? "oldObject" : "object", "data", "webhook-e2e-test");
  if (value === "webhook-disallow" && (operation === "CREATE" || operation === "UPDATE"))
    return denied({ reason: `the ${kind} ${unwanted}` });
  if (value === "webhook-nondeletable" && operation === "DELETE")
    return denied({ reason: `the ${kind} cannot be deleted because it contains unwanted key and value` });
  return allowed;
}

/** The second of two such webhooks sees what the first has added. */
function nextStage(request: Wire): Wire {
  const data = asWire(field(request, "object", "data"));
  const stage = data["mutation-stage-1"] === "yes" ? 2 : data["mutation-start"] === "yes" ? 1 : undefined;
  return stage === undefined ? allowed : patched({ op: "add", path: `/data/mutation-stage-${stage}`, value: "yes" });
}

function patched(...operations: readonly Wire[]): Wire {
  return { ...allowed, patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(operations)).toString("base64") };
}

function field(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce((inner, name) => asWire(inner)[name], value);
}

const elements = (value: unknown): Wire[] => (Array.isArray(value) ? value.map(asWire) : []);
