import { InvalidSelector } from "./errors.ts";
import type { LabelSelector, LabelSelectorRequirement } from "./types.ts";

export type Labels = Readonly<Record<string, string>>;

/** One requirement on labels, in the form every selector is brought to. NotIn and DoesNotExist hold for objects that lack the key. */
export interface Requirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";
  readonly values: readonly string[];
}

/** The requirements of a `metav1.LabelSelector`, ANDed. Throws {@link InvalidSelector} for an operator that Kubernetes does not know. */
export function requirementsOf(selector: LabelSelector): Requirement[] {
  const fromLabels = Object.entries(selector.matchLabels ?? {}).map(
    ([key, value]): Requirement => ({ key, operator: "In", values: [value] }),
  );
  return [...fromLabels, ...(selector.matchExpressions ?? []).map(requirementOf)];
}

function requirementOf({ key, operator, values = [] }: LabelSelectorRequirement): Requirement {
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) throw new InvalidSelector(key, `operator ${operator} needs at least one value`);
    return { key, operator, values };
  }
  if (operator === "Exists" || operator === "DoesNotExist") return { key, operator, values: [] };
  throw new InvalidSelector(key, `operator ${JSON.stringify(operator)} is none of In, NotIn, Exists, DoesNotExist`);
}

/** True when `labels` meet every requirement. */
export function matchesRequirements(requirements: readonly Requirement[], labels: Labels | undefined): boolean {
  return requirements.every((requirement) => matches(requirement, labels?.[requirement.key]));
}

/** True when `labels` are selected. The empty selector selects everything; an absent one (undefined) nothing. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  return selector !== undefined && matchesRequirements(requirementsOf(selector), labels);
}

function matches({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) < Number(values[0]);
  }
}

/** Reads the text form of a label selector (`a=b,c!=d,e in (f,g),h,!i,j>5`) as in `labelSelector=` of a request. Throws {@link InvalidSelector}. */
export function parseLabelSelector(text: string): Requirement[] {
  return splitOutsideParentheses(text)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(parseRequirement);
}

const labelKey = "[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?";
const setForm = new RegExp(`^(${labelKey})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const compareForm = new RegExp(`^(${labelKey})\\s*(==|=|!=|>|<)\\s*([A-Za-z0-9._-]*)$`);
const existsForm = new RegExp(`^(!?)\\s*(${labelKey})$`);

function parseRequirement(text: string): Requirement {
  const inSet = setForm.exec(text);
  if (inSet) {
    const values = (inSet[3] ?? "").split(",").map((value) => value.trim());
    return { key: inSet[1] ?? "", operator: inSet[2] === "in" ? "In" : "NotIn", values };
  }
  const compared = compareForm.exec(text);
  if (compared) {
    const operators = { "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt" } as const;
    const operator = operators[compared[2] as keyof typeof operators];
    const value = compared[3] ?? "";
    if ((operator === "Gt" || operator === "Lt") && !/^-?\d+$/.test(value)) throw new InvalidSelector(text, "> and < need a whole number");
    return { key: compared[1] ?? "", operator, values: [value] };
  }
  const exists = existsForm.exec(text);
  if (exists) return { key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists", values: [] };
  throw new InvalidSelector(text, "expected key, !key, key=value, key!=value, key in (a,b) or key notin (a,b)");
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "(") depth++;
    else if (text[index] === ")") depth--;
    else if (text[index] === "," && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** One requirement of a field selector: `path=value` or `path!=value`. */
export interface FieldRequirement {
  readonly path: string;
  readonly equal: boolean;
  readonly value: string;
}

/** Reads `metadata.name=a,status.phase!=Failed`. Throws {@link InvalidSelector}. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const match = /^([A-Za-z0-9_.[\]/-]+)(==|=|!=)(.*)$/.exec(part);
      if (match === null) throw new InvalidSelector(part, "expected path=value or path!=value");
      return { path: match[1] ?? "", equal: match[2] !== "!=", value: match[3] ?? "" };
    });
}

/** Canonical text of requirements, equal for equal selectors whatever their order. */
export function formatRequirements(requirements: readonly Requirement[]): string {
  const one = ({ key, operator, values }: Requirement): string => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    if (operator === "Gt" || operator === "Lt") return `${key}${operator === "Gt" ? ">" : "<"}${values[0]}`;
    const sorted = [...new Set(values)].sort();
    if (operator === "In" && sorted.length === 1) return `${key}=${sorted[0]}`;
    return `${key} ${operator === "In" ? "in" : "notin"} (${sorted.join(",")})`;
  };
  return [...new Set(requirements.map(one))].sort().join(",");
}
