import type { Json, JsonObject } from "../openapi/schema.ts";
import { isArray, isObject } from "../patch/json.ts";

/** Finds the values at a simple path of kubectl's JSONPath: `.spec.hosts[0]`, `.status.conditions[?(@.type=="Ready")].status`, `.spec.ports[*].port`. */
export type JsonPath = (value: Json) => readonly Json[];

type Step = (value: Json) => readonly Json[];

/** Undefined for text that is no such path. */
export function parseJsonPath(text: string): JsonPath | undefined {
  const steps: Step[] = [];
  let rest = text
    .trim()
    .replace(/^\{(.*)\}$/s, "$1")
    .replace(/^\$/, "");
  while (rest !== "") {
    const found = forms.map(({ pattern, step }) => ({ match: pattern.exec(rest), step })).find(({ match }) => match !== null);
    if (found?.match == null) return undefined;
    steps.push(found.step(found.match));
    rest = rest.slice(found.match[0].length);
  }
  return (value) => steps.reduce<readonly Json[]>((values, step) => values.flatMap(step), [value]);
}

const forms: readonly { readonly pattern: RegExp; readonly step: (match: RegExpExecArray) => Step }[] = [
  { pattern: /^\.\*|^\[\*\]/, step: () => children },
  { pattern: /^\.((?:[^.[\]\\]|\\.)+)/, step: ([, name = ""]) => field(name.replace(/\\(.)/g, "$1")) },
  { pattern: /^\.(?=\[|$)/, step: () => (value) => [value] },
  { pattern: /^\[(-?\d{1,9})\]/, step: ([, index = ""]) => element(Number(index)) },
  {
    pattern: /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/,
    step: ([, single, double]) => field((single ?? double ?? "").replace(/\\(.)/g, "$1")),
  },
  {
    pattern: /^\[\?\(\s*@\.((?:[\w-]|\\.|\.)+)\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)"|(-?\d+(?:\.\d+)?|true|false))\s*\)\]/,
    step: ([, path = "", operator, single, double, bare]) => filter(path, operator === "==", single ?? double ?? bare ?? ""),
  },
];

const children: Step = (value) => {
  if (isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
};

const field =
  (name: string): Step =>
  (value) => {
    const inner = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
    return inner === undefined ? [] : [inner];
  };

const element =
  (index: number): Step =>
  (value) => {
    const inner = isArray(value) ? value.at(index) : undefined;
    return inner === undefined ? [] : [inner];
  };

function filter(path: string, equal: boolean, wanted: string): Step {
  const read = parseJsonPath(`.${path}`) ?? (() => []);
  return (value) => (isArray(value) ? value : []).filter((item) => read(item).some((one) => (String(one) === wanted) === equal));
}

/** Paths such as `.spec.replicas`, as their fields; undefined for anything that is no chain of fields. */
export function fieldsOfPath(text: string): readonly string[] | undefined {
  return /^(\.[A-Za-z_][\w-]*)+$/.test(text) ? text.slice(1).split(".") : undefined;
}

export const firstAt = (path: JsonPath, object: object): Json | undefined => path(object as JsonObject)[0];
