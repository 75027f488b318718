import { isDeepStrictEqual } from "node:util";
import { boolean, bytes, int32, int64, list, listBy, opaque, part, set, string, use } from "../openapi/build.ts";
import { condition, kindSchema } from "../openapi/meta.ts";
import { nameColumn } from "../printing/columns.ts";
import { allVerbs, type Draft, defineResource, type HookContext, type ResourceDefinition } from "../resource.ts";
import { timestamp } from "../rules/create.ts";
import { checkDefinition } from "./definition-rules.ts";
import { acceptNames } from "./names.ts";
import { type CustomResourceDefinition, cleanupFinalizer } from "./types.ts";

const api = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

const names = part(
  `${api}.CustomResourceDefinitionNames`,
  "How the kind is called.",
  {
    plural: string("Name in paths: lower case."),
    singular: string("Name that kubectl prints; default: the kind in lower case."),
    kind: string("Kind of the objects."),
    listKind: string("Kind of lists; default: the kind and List."),
    shortNames: list(string("A short name."), "Short names for kubectl."),
    categories: list(string("A category."), "Groups of kinds, such as all."),
  },
  ["plural", "kind"],
);

const serviceReference = part(
  `${api}.ServiceReference`,
  "A path of a Service.",
  {
    namespace: string("Namespace of the Service."),
    name: string("Name of the Service."),
    path: string("Path of requests."),
    port: int32("Port of the Service; default 443."),
  },
  ["namespace", "name"],
);

const conversion = part(
  `${api}.CustomResourceConversion`,
  "How objects get from one version to another.",
  {
    strategy: string("None: only apiVersion changes. Webhook: a webhook converts."),
    webhook: part(
      `${api}.WebhookConversion`,
      "Who converts.",
      {
        clientConfig: part(`${api}.WebhookClientConfig`, "Where the webhook answers: url or service.", {
          url: string("https URL."),
          service: serviceReference,
          caBundle: bytes("Authorities that may sign the webhook's certificate (PEM)."),
        }),
        conversionReviewVersions: list(string("A version."), "Versions of ConversionReview that the webhook understands."),
      },
      ["conversionReviewVersions"],
    ),
  },
  ["strategy"],
);

const column = part(
  `${api}.CustomResourceColumnDefinition`,
  "A column of kubectl get.",
  {
    name: string("Head of the column."),
    type: string("integer, number, string, boolean or date."),
    format: string("Format of the type."),
    description: string("What it shows."),
    priority: int32("Above 0: only with -o wide."),
    jsonPath: string("Where the value stands in objects."),
  },
  ["name", "type", "jsonPath"],
);

const version = part(
  `${api}.CustomResourceDefinitionVersion`,
  "A version of the kind.",
  {
    name: string("Name of the version: v1beta1."),
    served: boolean("Whether it is served."),
    storage: boolean("Whether objects are stored in this version."),
    deprecated: boolean("Requests get a warning."),
    deprecationWarning: string("Text of that warning."),
    schema: part(`${api}.CustomResourceValidation`, "What objects may hold.", {
      openAPIV3Schema: opaque("A structural schema (OpenAPI v3)."),
    }),
    subresources: part(`${api}.CustomResourceSubresources`, "Parts that are written apart.", {
      status: opaque("Present: the status subresource is served."),
      scale: part(
        `${api}.CustomResourceSubresourceScale`,
        "Where the scale subresource finds its numbers.",
        {
          specReplicasPath: string("Path of the wanted number."),
          statusReplicasPath: string("Path of the present number."),
          labelSelectorPath: string("Path of the selector in text form."),
        },
        ["specReplicasPath", "statusReplicasPath"],
      ),
    }),
    additionalPrinterColumns: list(column, "Columns of kubectl get after the name; default: the age."),
    selectableFields: list(
      part(`${api}.SelectableField`, "A field for field selectors.", { jsonPath: string("Path of the field.") }, ["jsonPath"]),
      "Fields by which objects can be selected.",
    ),
  },
  ["name", "served", "storage"],
);

/** `customresourcedefinitions.apiextensions.k8s.io`. `kinds` are those of the server: the names of the built-in ones are taken. */
export function customResourceDefinitionKind(kinds: () => readonly ResourceDefinition[]): ResourceDefinition {
  return defineResource<CustomResourceDefinition>({
    group: "apiextensions.k8s.io",
    version: "v1",
    resource: "customresourcedefinitions",
    singular: "customresourcedefinition",
    kind: "CustomResourceDefinition",
    listKind: "CustomResourceDefinitionList",
    namespaced: false,
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    verbs: allVerbs,
    generation: true,
    schema: kindSchema({
      id: `${api}.CustomResourceDefinition`,
      group: "apiextensions.k8s.io",
      version: "v1",
      kind: "CustomResourceDefinition",
      description: "A kind that users add to this API.",
      fields: {
        spec: part(
          `${api}.CustomResourceDefinitionSpec`,
          "What the kind is.",
          {
            group: string("API group of the kind."),
            names,
            scope: string("Cluster or Namespaced."),
            versions: list(version, "Versions of the kind."),
            conversion,
            preserveUnknownFields: boolean("Must be false."),
          },
          ["group", "names", "scope", "versions"],
        ),
        status: part(`${api}.CustomResourceDefinitionStatus`, "What became of it.", {
          conditions: listBy("type", use(condition, "A condition.", { required: [] }), "NamesAccepted, Established, Terminating."),
          acceptedNames: use(names, "Names in use."),
          storedVersions: set(string("A version."), "Versions in which objects were ever stored."),
          observedGeneration: int64("Generation that was looked at."),
        }),
      },
      required: ["spec"],
    }),
    columns: [
      nameColumn,
      {
        name: "Created At",
        type: "string",
        format: "date-time",
        description: "When it was made.",
        value: ({ metadata }) => metadata.creationTimestamp ?? "",
      },
    ],
    selectableFields: {},
    subresources: { status: true },
    defaults({ spec }) {
      const kindName = spec?.names?.kind;
      if (typeof kindName === "string") {
        spec.names.singular ??= kindName.toLowerCase();
        spec.names.listKind ??= `${kindName}List`;
      }
      if (spec !== undefined) {
        spec.conversion ??= { strategy: "None" };
        const service = spec.conversion.webhook?.clientConfig?.service;
        if (service !== undefined) service.port ??= 443;
      }
    },
    prepare: {
      create(object, context) {
        object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), cleanupFinalizer])];
        setStatus(object, context);
      },
      update(object, old, context) {
        if (context.subresource === "" && !isDeepStrictEqual(object.spec, old.spec)) setStatus(object, context);
        if (object.metadata.deletionTimestamp !== undefined) setTerminating(object, context.now);
      },
    },
    validate: (object, _context, old) => checkDefinition(object, old),
    store: "durable",
  });

  function setStatus(object: Draft<CustomResourceDefinition>, { list: lookup, now }: HookContext): void {
    const builtIn = kinds().filter(({ custom }) => custom === undefined);
    const status = acceptNames(object as CustomResourceDefinition, { lookup: { list: lookup }, builtIn, now });
    object.status = structuredClone(status) as Draft<typeof status>;
  }
}

function setTerminating(object: Draft<CustomResourceDefinition>, now: number): void {
  const conditions = object.status?.conditions ?? [];
  if (conditions.some(({ type }) => type === "Terminating")) return;
  const terminating = {
    type: "Terminating",
    status: "True",
    reason: "InstanceDeletionInProgress",
    message: "CustomResource deletion is in progress",
    lastTransitionTime: timestamp(now),
  } as const;
  object.status = { ...object.status, conditions: [...conditions, terminating] };
}
