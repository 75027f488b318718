import type { LabelSelector } from "#lib/kube/index.ts";

const name = "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]";
const domain = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const qualifiedName = new RegExp(`^(${domain}/)?${name}$`);
const labelValue = new RegExp(`^(${name})?$`);
/** Of the part before the slash. */
const maximumDomainLength = 253;

export const isLabelKey = (key: string): boolean => qualifiedName.test(key) && (key.split("/").at(-2)?.length ?? 0) <= maximumDomainLength;

/** The first label in the `matchLabels` of selectors that no object can have. */
export function checkLabels(selectors: readonly (LabelSelector | undefined)[]): string | undefined {
  for (const selector of selectors)
    for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
      if (!isLabelKey(key)) return `Invalid label key: ${key}`;
      if (!labelValue.test(value)) return `Invalid label value: ${value}`;
    }
  return undefined;
}
