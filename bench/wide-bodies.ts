/** A request as it is sent: method, path, body, and its type where that is not JSON. */
export type WideRequest = readonly [method: string, path: string, body?: Buffer, type?: string];

export interface WideBody {
  readonly name: string;
  /** What must be there first. */
  readonly before?: readonly WideRequest[];
  readonly request: WideRequest;
}

/** Just below the largest body. */
const mostBytes = 3 * 1024 * 1024 - 2_048;
/** Just below the largest object that is stored. */
const mostStored = 1_500_000;
/** Just below the most fields of a body. */
const fieldsOfABody = 79_900;

const gadgets = "/apis/test.antrea.io/v1/namespaces/default/gadgets";
const notes = "/api/v1/namespaces/default/notes";
const things = "/apis/bench.antrea.io/v1/namespaces/default/things";
const merge = "application/merge-patch+json";
const jsonPatch = "application/json-patch+json";
const apply = "application/apply-patch+yaml";

/** Text of as many parts as fit, between `start` and `end`. */
function filled({
  start,
  part,
  end,
  bytes = mostBytes,
  between = ",",
  most = Number.POSITIVE_INFINITY,
  mostFields = fieldsOfABody,
}: {
  readonly start: string;
  readonly part: (index: number) => string;
  readonly end: string;
  readonly bytes?: number;
  readonly between?: string;
  readonly most?: number;
  readonly mostFields?: number;
}): Buffer {
  const parts: string[] = [];
  let length = start.length + end.length;
  let fields = 0;
  for (let index = 0; index < most; index++) {
    const text = part(index);
    length += text.length + between.length;
    fields += 1 + (text.match(/[,{[]/g)?.length ?? 0);
    if (length > bytes || fields > mostFields) break;
    parts.push(text);
  }
  return Buffer.from(`${start}${parts.join(between)}${end}`);
}

const short = (index: number): string => index.toString(36);

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.bench.antrea.io" },
  spec: {
    group: "bench.antrea.io",
    scope: "Namespaced",
    names: { plural: "things", kind: "Thing" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                properties: {
                  sizes: {
                    type: "object",
                    additionalProperties: { type: "integer", minimum: 0, "x-kubernetes-validations": [{ rule: "self >= 0" }] },
                  },
                  parts: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["n"],
                    items: {
                      type: "object",
                      required: ["n"],
                      properties: { n: { type: "string", pattern: "^[a-z0-9]*$" }, v: { type: "string", default: "x" } },
                    },
                  },
                },
                "x-kubernetes-validations": [{ rule: "!has(self.parts) || self.parts.all(one, one.n.size() < 100)" }],
              },
            },
          },
        },
      },
    ],
  },
};

const spread = (name: string, bytes: number): Buffer =>
  filled({ start: `{"metadata":{"name":"${name}"},"spec":{"tags":{`, part: (index) => `"${short(index)}":""`, end: "}}}", bytes });
const open = (name: string, bytes: number): Buffer =>
  filled({ start: `{"metadata":{"name":"${name}"},"d":{`, part: (index) => `"${short(index)}":{}`, end: "}}", bytes });
const applied = (text: Buffer, kind: string, apiVersion: string): Buffer =>
  Buffer.from(text.toString("latin1").replace("{", `{"apiVersion":"${apiVersion}","kind":"${kind}",`));
const remove = (path: string): WideRequest => ["DELETE", path];
const owner = (index: number): string => `{"manager":"m${index}","operation":"Update","apiVersion":"v1","fieldsV1":{"f:${index}":{}}}`;

/** The dearest bodies that are known, each in one way. */
export function* createWideBodies(): Iterable<WideBody> {
  yield {
    name: "create, unknown fields",
    request: ["POST", gadgets, filled({ start: '{"metadata":{"name":"unknown"},', part: (index) => `"${short(index)}":1`, end: "}" })],
  };
  yield { name: "create, map of texts, 1.4 MiB", request: ["POST", gadgets, spread("m", mostStored)] };
  yield { name: "create, map of texts, 0.7 MiB", request: ["POST", gadgets, spread("half", mostStored / 2)] };
  yield { name: "create, map of texts, 0.35 MiB", request: ["POST", gadgets, spread("quarter", mostStored / 4)] };
  yield { name: "create, map of texts, 3 MiB", request: ["POST", gadgets, spread("mm", mostBytes)] };
  yield {
    name: "update, another map of texts",
    before: [["POST", gadgets, spread("u", mostStored / 4)]],
    request: [
      "PUT",
      `${gadgets}/u`,
      Buffer.from(
        spread("u", mostStored / 4)
          .toString("latin1")
          .replaceAll(':""', ':"1"'),
      ),
    ],
  };
  yield { name: "read it", request: ["GET", `${gadgets}/u`] };
  yield { name: "change its size only", request: ["PATCH", `${gadgets}/u?fieldManager=other`, Buffer.from('{"spec":{"size":7}}'), merge] };
  yield {
    name: "change one of its many",
    request: ["PATCH", `${gadgets}/u?fieldManager=third`, Buffer.from('{"spec":{"tags":{"1":"q"}}}'), merge],
  };
  yield { name: "list all", request: ["GET", gadgets] };
  yield { name: "delete it", request: remove(`${gadgets}/u`) };
  yield { name: "create, open kind, empty objects, 0.35 MiB", request: ["POST", notes, open("o", mostStored / 4)] };
  yield { name: "create, open kind, empty objects, 3 MiB", request: ["POST", notes, open("oo", mostBytes)] };
  yield {
    name: "create, open kind, numbers, 1.4 MiB",
    request: ["POST", notes, filled({ start: '{"metadata":{"name":"n"},"d":[', part: () => "0", end: "]}", bytes: mostStored })],
  };
  yield {
    name: "create, open kind, empty lists, 3 MiB",
    request: ["POST", notes, filled({ start: '{"metadata":{"name":"l"},"d":[', part: () => "[]", end: "]}" })],
  };
  yield {
    name: "create, open kind, 400 deep many times",
    request: [
      "POST",
      notes,
      filled({
        start: '{"metadata":{"name":"d"},"d":[',
        part: () => `${'{"a":'.repeat(400)}1${"}".repeat(400)}`,
        end: "]}",
        bytes: mostStored,
      }),
    ],
  };
  yield {
    name: "create, labels",
    request: ["POST", notes, filled({ start: '{"metadata":{"name":"la","labels":{', part: (index) => `"${short(index)}":""`, end: "}}}" })],
  };
  yield {
    name: "create, labels, 0.7 MiB",
    request: [
      "POST",
      notes,
      filled({
        start: '{"metadata":{"name":"lb","labels":{',
        part: (index) => `"${short(index)}":""`,
        end: "}}}",
        bytes: mostStored / 2,
      }),
    ],
  };
  yield {
    name: "create, wrong labels",
    request: [
      "POST",
      notes,
      filled({ start: '{"metadata":{"name":"lc","labels":{', part: (index) => `"!${short(index)}":""`, end: "}}}" }),
    ],
  };
  yield {
    name: "create, finalizers",
    request: [
      "POST",
      notes,
      filled({ start: '{"metadata":{"name":"f","finalizers":[', part: (index) => `"a/${short(index)}"`, end: "]}}" }),
    ],
  };
  yield {
    name: "create, duplicate fields",
    request: ["POST", notes, filled({ start: '{"metadata":{"name":"du"},"d":{', part: () => '"a":1', end: "}}" })],
  };
  yield {
    name: "update, owners, 3 MiB",
    before: [["POST", gadgets, spread("ow", 10_000)]],
    request: ["PUT", `${gadgets}/ow`, filled({ start: '{"metadata":{"name":"ow","managedFields":[', part: owner, end: "]}}" })],
  };
  yield {
    name: "update, one owner of many fields",
    before: [["POST", gadgets, spread("on", 10_000)]],
    request: [
      "PUT",
      `${gadgets}/on`,
      filled({
        start: '{"metadata":{"name":"on","managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","fieldsV1":{',
        part: (index) => `"f:${short(index)}":{}`,
        end: "}}]}}",
      }),
    ],
  };
  yield {
    name: "update, ten owners of many keys and fields",
    before: [["POST", gadgets, spread("ok", 10_000)]],
    request: [
      "PUT",
      `${gadgets}/ok`,
      filled({
        start: '{"metadata":{"name":"ok","managedFields":[',
        part: (index) =>
          filled({
            start: `{"manager":"m${index}","operation":"Update","apiVersion":"v1","fieldsV1":{"f:spec":{"f:tags":{`,
            part: (inner) => `"v:${inner}":{}`,
            end: "}}}}",
            bytes: 200_000,
          }).toString("latin1"),
        end: "]}}",
      }),
    ],
  };
  yield {
    name: "apply, map of texts, 0.35 MiB",
    request: ["PATCH", `${gadgets}/ap?fieldManager=a`, applied(spread("ap", mostStored / 4), "Gadget", "test.antrea.io/v1"), apply],
  };
  yield {
    name: "apply it again by another",
    request: [
      "PATCH",
      `${gadgets}/ap?fieldManager=b&force=true`,
      Buffer.from(
        applied(spread("ap", mostStored / 4), "Gadget", "test.antrea.io/v1")
          .toString("latin1")
          .replaceAll(':""', ':"1"'),
      ),
      apply,
    ],
  };
  yield {
    name: "apply it in conflict",
    request: [
      "PATCH",
      `${gadgets}/ap?fieldManager=c`,
      Buffer.from(
        applied(spread("ap", mostStored / 4), "Gadget", "test.antrea.io/v1")
          .toString("latin1")
          .replaceAll(':""', ':"2"'),
      ),
      apply,
    ],
  };
  yield {
    name: "apply nothing more",
    request: ["PATCH", `${gadgets}/ap?fieldManager=b`, applied(Buffer.from('{"metadata":{}}'), "Gadget", "test.antrea.io/v1"), apply],
  };
  yield {
    name: "apply, map of texts, 3 MiB",
    request: ["PATCH", `${gadgets}/aq?fieldManager=a`, applied(spread("aq", mostBytes), "Gadget", "test.antrea.io/v1"), apply],
  };
  yield {
    name: "apply, YAML, 3 MiB",
    request: [
      "PATCH",
      `${gadgets}/ay?fieldManager=a`,
      filled({
        start: "apiVersion: test.antrea.io/v1\nkind: Gadget\nspec:\n  tags:\n",
        part: (index) => `    "${short(index)}": ""`,
        between: "\n",
        end: "\n",
      }),
      apply,
    ],
  };
  yield {
    name: "apply, YAML, 16 KiB",
    request: [
      "PATCH",
      `${gadgets}/ay?fieldManager=a`,
      filled({
        start: "apiVersion: test.antrea.io/v1\nkind: Gadget\nspec:\n  tags:\n",
        part: (index) => `    "${short(index)}": ""`,
        between: "\n",
        end: "\n",
        bytes: 16 * 1_024,
      }),
      apply,
    ],
  };
  yield {
    name: "JSON patch, 10 000 additions to a map",
    before: [["POST", gadgets, spread("jp", 3_000)]],
    request: [
      "PATCH",
      `${gadgets}/jp`,
      filled({
        start: "[",
        part: (index) => `{"op":"add","path":"/spec/tags/${short(index)}x","value":"y"}`,
        end: "]",
        most: 10_000,
      }),
      jsonPatch,
    ],
  };
  yield {
    name: "JSON patch, tests of one large value",
    before: [["POST", notes, open("jt", mostStored / 4)]],
    request: [
      "PATCH",
      `${notes}/jt`,
      filled({ start: "[", part: () => '{"op":"copy","from":"/d","path":"/e"}', end: "]", most: 10_000 }),
      jsonPatch,
    ],
  };
  yield {
    name: "JSON patch, too many operations",
    request: ["PATCH", `${notes}/jt`, filled({ start: "[", part: () => '{"op":"remove","path":"/x"}', end: "]" }), jsonPatch],
  };
  yield {
    name: "merge patch, a wide map more",
    before: [["POST", gadgets, spread("mp", mostStored / 4)]],
    request: [
      "PATCH",
      `${gadgets}/mp`,
      filled({ start: '{"spec":{"tags":{', part: (index) => `"x${short(index)}":""`, end: "}}}", bytes: mostStored / 4 }),
      merge,
    ],
  };
  yield {
    name: "merge patch, 3 MiB of removals",
    request: [
      "PATCH",
      `${gadgets}/mp`,
      filled({ start: '{"spec":{"tags":{', part: (index) => `"${short(index)}":null`, end: "}}}" }),
      merge,
    ],
  };
  yield {
    name: "strategic merge, owner references by key",
    before: [
      [
        "POST",
        notes,
        filled({
          start: '{"metadata":{"name":"sm","ownerReferences":[',
          part: (index) => `{"apiVersion":"v1","kind":"a","name":"a","uid":"${short(index)}"}`,
          end: "]}}",
          bytes: mostStored / 4,
        }),
      ],
    ],
    request: [
      "PATCH",
      `${notes}/sm`,
      filled({
        start: '{"metadata":{"ownerReferences":[',
        part: (index) => `{"apiVersion":"v1","kind":"b","name":"a","uid":"${short(index)}"}`,
        end: "]}}",
        bytes: mostStored / 4,
      }),
      "application/strategic-merge-patch+json",
    ],
  };
  yield {
    name: "define a kind",
    request: ["POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", Buffer.from(JSON.stringify(definition))],
  };
  yield {
    name: "custom object, a rule for each field, 0.35 MiB",
    request: [
      "POST",
      things,
      filled({
        start: '{"apiVersion":"bench.antrea.io/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"sizes":{',
        part: (index) => `"${short(index)}":1`,
        end: "}}}",
        bytes: mostStored / 4,
      }),
    ],
  };
  yield {
    name: "custom object, items by key, 0.7 MiB",
    request: [
      "POST",
      things,
      filled({
        start: '{"apiVersion":"bench.antrea.io/v1","kind":"Thing","metadata":{"name":"b"},"spec":{"parts":[',
        part: (index) => `{"n":"${short(index)}"}`,
        end: "]}}",
        bytes: mostStored / 2,
      }),
    ],
  };
  yield {
    name: "custom object, wrong everywhere, 3 MiB",
    request: [
      "POST",
      things,
      filled({
        start: '{"apiVersion":"bench.antrea.io/v1","kind":"Thing","metadata":{"name":"c"},"spec":{"sizes":{',
        part: (index) => `"${short(index)}":-1`,
        end: "}}}",
      }),
    ],
  };
  yield {
    name: "custom object, null everywhere, 3 MiB",
    request: [
      "POST",
      things,
      filled({
        start: '{"apiVersion":"bench.antrea.io/v1","kind":"Thing","metadata":{"name":"e"},"spec":{"sizes":{',
        part: (index) => `"${short(index)}":null`,
        end: "}}}",
      }),
    ],
  };
  yield {
    name: "a kind with a wide schema",
    request: [
      "POST",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
      filled({
        start:
          '{"metadata":{"name":"wides.bench.antrea.io"},"spec":{"group":"bench.antrea.io","scope":"Cluster","names":{"plural":"wides","kind":"Wide"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{',
        part: (index) => `"a${short(index)}":{"type":"string"}`,
        end: "}}}}]}}",
        bytes: mostStored / 2,
      }),
    ],
  };
  yield {
    name: "a kind with many rules",
    request: [
      "POST",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
      filled({
        start:
          '{"metadata":{"name":"rules.bench.antrea.io"},"spec":{"group":"bench.antrea.io","scope":"Cluster","names":{"plural":"rules","kind":"Rule"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{',
        part: (index) =>
          `"a${short(index)}":{"type":"string","x-kubernetes-validations":[{"rule":"self.size() < 10 && self != 'a${index}'"}]}`,
        end: "}}}}]}}",
        most: 900,
      }),
    ],
  };
  yield {
    name: "delete with wide options",
    request: ["DELETE", `${gadgets}/mp`, filled({ start: "{", part: (index) => `"${short(index)}":1`, end: "}" })],
  };
}
