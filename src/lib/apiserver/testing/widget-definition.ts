/** A CustomResourceDefinition that uses what definitions can, for tests: two versions, rules, defaults, columns, scale. */
export const widgetDefinition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.shop.antrea.io" },
  spec: {
    group: "shop.antrea.io",
    scope: "Namespaced",
    names: { plural: "widgets", kind: "Widget", shortNames: ["wd"], categories: ["all"] },
    versions: [
      {
        name: "v1beta1",
        served: true,
        storage: false,
        deprecated: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        subresources: { status: {} },
      },
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: "Something for sale.",
            required: ["spec"],
            "x-kubernetes-validations": [{ rule: "self.metadata.name != 'forbidden'", message: "this name is taken by the house" }],
            properties: {
              spec: {
                type: "object",
                required: ["size"],
                "x-kubernetes-validations": [
                  { rule: "self.size <= self.limit", messageExpression: "'size ' + string(self.size) + ' is above ' + string(self.limit)" },
                  { rule: "self.size >= oldSelf.size", message: "widgets only grow", fieldPath: ".size" },
                ],
                properties: {
                  size: { type: "integer", format: "int32", minimum: 1, description: "How large it is." },
                  limit: { type: "integer", default: 100 },
                  port: { "x-kubernetes-int-or-string": true },
                  note: { type: "string", nullable: true, maxLength: 5 },
                  addresses: {
                    type: "array",
                    maxItems: 4,
                    "x-kubernetes-list-type": "set",
                    items: { type: "string", "x-kubernetes-validations": [{ rule: "isIP(self)", message: "must be an address" }] },
                  },
                  parts: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "side"],
                    items: {
                      type: "object",
                      required: ["name"],
                      properties: {
                        name: { type: "string", pattern: "^[a-z]+$" },
                        side: { type: "string", enum: ["left", "right"], default: "left" },
                        color: { type: "string", "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "color is fixed" }] },
                      },
                    },
                  },
                  choice: {
                    type: "object",
                    oneOf: [{ required: ["a"] }, { required: ["b"] }],
                    properties: { a: { type: "string" }, b: { type: "string" } },
                  },
                  empty: { type: "object" },
                  open: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                  template: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
                  sold: { type: "boolean" },
                },
              },
              status: {
                type: "object",
                properties: { replicas: { type: "integer" }, ready: { type: "boolean" } },
              },
            },
          },
        },
        subresources: { status: {}, scale: { specReplicasPath: ".spec.size", statusReplicasPath: ".status.replicas" } },
        additionalPrinterColumns: [
          { name: "Size", type: "integer", jsonPath: ".spec.size" },
          { name: "Parts", type: "string", jsonPath: ".spec.parts[*].name" },
          { name: "Red", type: "string", priority: 1, jsonPath: '.spec.parts[?(@.color=="red")].name' },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        ],
        selectableFields: [{ jsonPath: ".spec.size" }],
      },
    ],
  },
};
