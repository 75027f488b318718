import { type FieldError, invalid, notSupported, required } from "../field-error.ts";
import { bytes, int32, list, listBy, part, string, use } from "../openapi/build.ts";
import { kindSchema, labelSelector } from "../openapi/meta.ts";
import { ageColumn, nameColumn } from "../printing/columns.ts";
import { allVerbs, type Draft, defineResource, type ResourceDefinition } from "../resource.ts";
import { compileCondition } from "./conditions.ts";
import type { Webhook, WebhookConfiguration } from "./configuration.ts";

const api = "io.k8s.api.admissionregistration.v1";

const words = (description: string) => list(string("One of them, or * for all."), description);

const rule = part(`${api}.RuleWithOperations`, "Writes that a webhook is asked about.", {
  operations: list(string("One of them, or * for all.", { enum: ["CREATE", "UPDATE", "DELETE", "CONNECT", "*"] }), "What is done."),
  apiGroups: words("Groups."),
  apiVersions: words("Versions."),
  resources: words("Kinds by their plural, with a slash their subresources: pods, pods/status, */scale, */*."),
  scope: string("Cluster, Namespaced or *.", { default: "*", enum: ["Cluster", "Namespaced", "*"] }),
});

const clientConfig = part(`${api}.WebhookClientConfig`, "Where the webhook answers: url or service.", {
  url: string("https URL."),
  service: part(
    `${api}.ServiceReference`,
    "A path of a Service.",
    {
      namespace: string("Namespace of the Service."),
      name: string("Name of the Service."),
      path: string("Path of requests."),
      port: int32("Port of the Service.", { default: 443 }),
    },
    ["namespace", "name"],
  ),
  caBundle: bytes("Authorities that may sign the webhook's certificate (PEM)."),
});

const matchCondition = part(
  `${api}.MatchCondition`,
  "A condition on the request.",
  { name: string("Name of the condition."), expression: string("CEL over object, oldObject and request.") },
  ["name", "expression"],
);

function webhook(kind: string, more: Parameters<typeof part>[2]) {
  const fields = {
    name: string("Name, a domain of at least three parts."),
    clientConfig,
    rules: list(rule, "Writes that it is asked about."),
    failurePolicy: string("What to do when it cannot be asked: Fail or Ignore.", { default: "Fail", enum: ["Fail", "Ignore"] }),
    matchPolicy: string("Equivalent: asked about a kind in whichever version it is written; Exact: in those that its rules name.", {
      default: "Equivalent",
      enum: ["Exact", "Equivalent"],
    }),
    namespaceSelector: use(labelSelector, "Only for objects in such namespaces."),
    objectSelector: use(labelSelector, "Only for such objects."),
    sideEffects: string("What else it does: None, NoneOnDryRun, Some or Unknown."),
    timeoutSeconds: int32("How long to wait.", { default: 10, minimum: 1, maximum: 30 }),
    admissionReviewVersions: list(string("A version."), "Versions of AdmissionReview that it understands."),
    matchConditions: listBy("name", matchCondition, "Asked only when all of them hold."),
    ...more,
  };
  return part(`${api}.${kind}`, "Who is asked, and about what.", fields, [
    "name",
    "clientConfig",
    "sideEffects",
    "admissionReviewVersions",
  ]);
}

function configurationKind(kind: string, item: ReturnType<typeof webhook>): ResourceDefinition {
  const resource = `${kind.toLowerCase()}s`;
  return defineResource<WebhookConfiguration>({
    group: "admissionregistration.k8s.io",
    version: "v1",
    resource,
    singular: kind.toLowerCase(),
    kind,
    listKind: `${kind}List`,
    namespaced: false,
    categories: ["api-extensions"],
    verbs: allVerbs,
    generation: true,
    schema: kindSchema({
      id: `${api}.${kind}`,
      group: "admissionregistration.k8s.io",
      version: "v1",
      kind,
      description: "Webhooks that are asked before objects are written.",
      fields: { webhooks: listBy("name", item, "The webhooks.") },
    }),
    columns: [
      nameColumn,
      { name: "Webhooks", type: "integer", description: "How many webhooks it holds.", value: ({ webhooks = [] }) => webhooks.length },
      ageColumn,
    ],
    defaults({ webhooks }) {
      for (const one of webhooks ?? []) setSelectors(one);
    },
    validate: ({ webhooks = [] }) => webhooks.flatMap((one, index) => checkWebhook(one, `webhooks[${index}]`, webhooks.slice(0, index))),
    store: "durable",
  });
}

function setSelectors(one: Draft<Webhook>): void {
  one.namespaceSelector ??= {};
  one.objectSelector ??= {};
}

function checkWebhook(one: Webhook, path: string, before: readonly Webhook[]): FieldError[] {
  const {
    name,
    clientConfig: { url, service },
    sideEffects,
    admissionReviewVersions: versions,
    rules = [],
    matchConditions = [],
  } = one;
  const errors: FieldError[] = [];
  if (name.split(".").length < 3)
    errors.push(invalid(`${path}.name`, name, "should be a domain with at least three segments separated by dots"));
  if (before.some((other) => other.name === name)) errors.push(invalid(`${path}.name`, name, "must be unique"));
  if ((url === undefined) === (service === undefined))
    errors.push(required(`${path}.clientConfig`, "exactly one of url or service is required"));
  if (url !== undefined && URL.parse(url)?.protocol !== "https:")
    errors.push(invalid(`${path}.clientConfig.url`, url, "'https' is the only allowed URL scheme"));
  if (sideEffects !== "None" && sideEffects !== "NoneOnDryRun")
    errors.push(notSupported(`${path}.sideEffects`, sideEffects, ["None", "NoneOnDryRun"]));
  if (!versions.includes("v1")) errors.push(invalid(`${path}.admissionReviewVersions`, versions, "must include at least one of v1"));
  for (const [index, { operations = [], apiGroups = [], apiVersions = [], resources = [] }] of rules.entries())
    for (const [field, values] of Object.entries({ operations, apiGroups, apiVersions, resources }))
      if (values.length === 0) errors.push(required(`${path}.rules[${index}].${field}`));
  for (const [index, { expression }] of matchConditions.entries()) {
    const condition = compileCondition(expression);
    if ("problem" in condition) errors.push(invalid(`${path}.matchConditions[${index}].expression`, expression, condition.problem));
  }
  return errors;
}

/** The two kinds by which users tell the server of webhooks. */
export const webhookConfigurationKinds: readonly ResourceDefinition[] = [
  configurationKind(
    "MutatingWebhookConfiguration",
    webhook("MutatingWebhook", {
      reinvocationPolicy: string("IfNeeded: asked once more when a later webhook has changed the object.", {
        default: "Never",
        enum: ["Never", "IfNeeded"],
      }),
    }),
  ),
  configurationKind("ValidatingWebhookConfiguration", webhook("ValidatingWebhook", {})),
];
